"""The filter of system calls that isolated programs run behind, as the kernel's own small program (classic BPF).

Refused is what no computation needs and what has let programs out of namespaces before: namespaces of their own,
mounts, keys, kernel modules, tracing of the kernel; and shared memory that no process's figure shows.
"""

import errno
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`."""
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NEW_USER = 0x10000000
_X32 = 0x40000000
"""Numbers from here are x86-64's calls by their second name."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    "x86_64": (
        *(155, 163, 165, 166, 167, 168, 169, 179),  # pivot_root acct mount umount2 swapon swapoff reboot quotactl
        *(175, 176, 313, 246, 320),  # init_module delete_module finit_module kexec_load kexec_file_load
        *(248, 249, 250, 308),  # add_key request_key keyctl setns
        *(103, 298, 303, 304, 321),  # syslog perf_event_open name_to_handle_at open_by_handle_at bpf
    ),
    "aarch64": (
        41,
        89,
        40,
        39,
        224,
        225,
        142,
        60,
        105,
        106,
        273,
        104,
        294,
        217,
        218,
        219,
        268,
        116,
        241,
        264,
        265,
        280,
    ),
}
_EVERYWHERE = (428, 429, 430, 431, 432, 433, 442, 443)
"""open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr quotactl_fd."""
_UNKNOWN = {"x86_64": (29, 323), "aarch64": (194, 282)}
"""shmget userfaultfd: answered as by a kernel without them, so that programs do without."""
_UNKNOWN_EVERYWHERE = (425, 426, 427, 435, 447)
"""io_uring_setup io_uring_enter io_uring_register, clone3 (its flags cannot be seen from here), memfd_secret."""
_CLONE, _UNSHARE = {"x86_64": 56, "aarch64": 220}, {"x86_64": 272, "aarch64": 97}


def program(machine: str = "") -> bytes:
    """The filter as bubblewrap takes it; empty for a kind of machine whose numbers are not known here."""
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        return b""
    unknown = _ERROR | errno.ENOSYS
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _line(_RETURN, unknown),
        _line(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        lines += [_line(_AT_LEAST, _X32, 0, 1), _line(_RETURN, unknown)]
    for number in (*_REFUSED[machine], *_EVERYWHERE):
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ERROR | errno.EPERM)]
    for number in (*_UNKNOWN[machine], *_UNKNOWN_EVERYWHERE):
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, unknown)]
    # Last, since looking at the argument loses the number.
    lines += [
        _line(_EQUAL, _CLONE[machine], 1, 0),
        _line(_EQUAL, _UNSHARE[machine], 0, 3),
        _line(_LOAD, _FIRST_ARGUMENT),
        _line(_HAS_BITS, _NEW_USER, 0, 1),
        _line(_RETURN, _ERROR | errno.EPERM),
        _line(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many to leap over."""
    return struct.pack("=HBBI", code, yes, no, value)
