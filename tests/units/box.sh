#!/bin/bash
# Inside namespaces of its own: a copy of this machine's files that nobody keeps, with systemd as its first process.
#   box.sh FOLDER TTY SOURCE PYTHON PACKAGES: the program there is SOURCE by PYTHON (a prefix) with PACKAGES (a folder)
set -euo pipefail
folder=$1 tty=$2 source=$3 python=$4 packages=$5
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
rm -rf var/lib/joulemark* var/lib/private etc/joulemark
mkdir -p opt/python opt/packages opt/joulemark/{bin,lib} etc/systemd/system old
for pair in "$python:opt/python" "$packages:opt/packages"; do
  mount --bind "${pair%%:*}" "${pair##*:}"
  mount -o remount,bind,ro "${pair##*:}"
done
cp -r "$source/src/joulemark" opt/joulemark/lib/joulemark
cp -r "$source/deploy/systemd" opt/joulemark/lib/joulemark/systemd
printf '%s\n' 'import sys' 'sys.path[:0] = ["/opt/joulemark/lib", "/opt/packages"]' 'from joulemark.cli import main' \
  'if __name__ == "__main__":' '    main()' >opt/joulemark/lib/program.py
printf '%s\n' '#!/bin/sh' 'export LD_LIBRARY_PATH=/opt/python/lib' 'exec /opt/python/bin/python3 /opt/joulemark/lib/program.py "$@"' \
  >opt/joulemark/bin/joulemark
chmod -R a+rX opt/joulemark
chmod 755 opt/joulemark/bin/joulemark
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys  # the kernel's settings are those of the machine
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts dev/mqueue dev/hugepages
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
touch dev/console
mount --bind "$tty" dev/console
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
printf '[Unit]\nDescription=Nothing but what is asked for\nDefaultDependencies=no\n' >etc/systemd/system/box.target
pivot_root . old
umount -l /old
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=box.target --log-target=console --show-status=0
