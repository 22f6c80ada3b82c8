"""The agent of one host: it reads meters on time, keeps what it read on disk, and delivers it to the collector.

Threads, and what each may wait for:

| thread | owns | waits for |
|---|---|---|
| main | closes batches into the spool | the batch period, a signal |
| sampler | meters that answer at once | deadlines |
| one per slow meter | that meter | its deadlines, its device |
| clock | adjtimex, chronyc | ten seconds |
| uplink | the stream's answers and its reconnection | the collector |
"""
