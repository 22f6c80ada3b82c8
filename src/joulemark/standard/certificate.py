"""Certificates of calibration: whether one is that of its meter, traceable, and young enough (MET-6, CAL-7)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from joulemark.certificate import Certificate
from joulemark.readings import MeterInfo
from joulemark.units import NS_PER_S

ACCREDITED: Final = re.compile(
    r"17025|DAKKS|UKAS|A2LA|NVLAP|ANAB|COFRAC|ACCREDIA|ENAC|SWEDAC|SAS|RVA|BELAC|FINAS|DANAK|PCA|CAI|CNAS|IAJAPAN|JCSS|KOLAS|NABL|NATA|"
    r"SAC-SINGLAS|TAF|PTB|NIST|NPL|LNE|INRIM|METAS|VSL|RISE|NIM|NMIJ|KRISS|NRC|BIPM"
)
"""How a laboratory is known to be accredited to ISO/IEC 17025 or a national institute of metrology: names of bodies that signed the
mutual recognition arrangements of ILAC and of CIPM, by which a certificate counts abroad. A working list; each name is a whole word."""

SHA256: Final = re.compile(r"[0-9a-f]{64}")


def day_of(certificate: Certificate) -> date | None:
    """The day it was issued; None where it tells no day."""
    try:
        return date.fromisoformat(certificate.date)
    except ValueError:
        return None


def age_d(certificate: Certificate, at_ns: int) -> int | None:
    """Whole days from its issue to `at_ns` UTC, negative for one of later; None where it tells no day."""
    issued = day_of(certificate)
    return None if issued is None else (datetime.fromtimestamp(at_ns // NS_PER_S, UTC).date() - issued).days


def traceable(certificate: Certificate) -> bool:
    """Whether its laboratory names an accreditation, or is a national institute."""
    words = re.findall(r"[A-Z0-9-]+", certificate.laboratory.upper())
    return any(ACCREDITED.fullmatch(word) for word in words)


def names(meter: MeterInfo) -> bool:
    """Whether `meter` has a certificate or a mark that names who gave it, and the serial of the meter: all that ES1 asks of it (MET-2)."""
    paper = meter.certificate
    return (
        paper is not None and bool(paper.laboratory.strip()) and bool(paper.serial.strip()) and paper.serial.strip() == meter.serial.strip()
    )


def absences(meter: MeterInfo) -> tuple[str, ...]:
    """What is not known of the certificate of `meter`, as words; empty where all of it is."""
    paper = meter.certificate
    if paper is None:
        return ("certificate",)
    told = {
        "certificate.date": day_of(paper) is not None,
        "certificate.laboratory": bool(paper.laboratory.strip()),
        "certificate.serial": bool(paper.serial.strip()),
        "certificate.sha256": bool(paper.sha256),
        "certificate.u95_rel": paper.u95_rel > 0.0,
        "certificate.k": paper.k > 0.0,
        "serial": bool(meter.serial.strip()),
    }
    return tuple(name for name, known in told.items() if not known)


def faults(meter: MeterInfo, at_ns: int, *, max_age_d: float) -> tuple[str, ...]:
    """What is wrong with the certificate of `meter` for a run at `at_ns`, as sentences; what is absent is not among them."""
    paper = meter.certificate
    if paper is None:
        return ()
    age = age_d(paper, at_ns)
    found = {
        f"the certificate is of {paper.serial}, the meter is {meter.serial}": bool(paper.serial and meter.serial)
        and paper.serial.strip() != meter.serial.strip(),
        f"the certificate is {age} days old": age is not None and age > max_age_d,
        "the certificate was issued after the run": age is not None and age < 0,
        f"{paper.laboratory} names no accreditation to ISO/IEC 17025 and no national institute": bool(paper.laboratory.strip())
        and not traceable(paper),
        "the sha256 of its file is none": bool(paper.sha256) and not SHA256.fullmatch(paper.sha256),
    }
    return tuple(what for what, wrong in found.items() if wrong)
