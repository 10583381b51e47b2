"""What the tests themselves stand on."""
import sys
from concurrent.futures import ThreadPoolExecutor

from harness.waiting import free_port


def test_no_port_is_given_twice():
    """Nor to two threads that ask at the same moment."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            ports = list(threads.map(lambda _: free_port(), range(2000)))
    finally:
        sys.setswitchinterval(interval)
    assert len(set(ports)) == len(ports)
