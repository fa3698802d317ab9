"""Ctrl-C waits for the end of a block that must not be left half done; pressed again, not."""

import signal
import threading

import pytest
from counting import ended_well, forked, in_threads, posix

from taskpar._system import ctrl_c


def press():
    """Press it."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handler_stays():
    """Whoever handled it before does so afterwards."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


def whole(done, *steps):
    """Do something in a block; note that it came to its end."""
    with ctrl_c.later():
        for step in steps:
            step()
        done.append(True)


def test_it_is_raised_at_the_end_of_the_block():
    """Not within."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        whole(done, press)
    assert done == [True]


@posix
def test_the_main_thread_of_a_forked_process_is_the_one_that_forked():
    """Whichever it was here."""
    well = []

    def be_main():
        assert ctrl_c.in_main_thread()

    def fork():
        well.append(ended_well(forked(be_main)))

    fork()
    in_threads(fork)
    assert well == [True, True]


def test_within_another_block_it_waits_for_the_end_of_that():
    """Steps are made of steps."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        whole(done, lambda: whole(done, press))
    assert done == [True, True]


def test_pressed_again_it_is_obeyed_at_once():
    """The block may be waiting for something that never comes."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        whole(done, press, press)
    assert done == []


def test_not_pressed_nothing_is_raised():
    """Nor is an error of the block lost."""
    with ctrl_c.later():
        pass
    with pytest.raises(ValueError, match="own"), ctrl_c.later():
        raise ValueError("own")


def test_who_ignores_it_goes_on_doing_so():
    """It is nobody's to note."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c.later():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            press()
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_has_nothing_to_wait_with():
    """It is raised in the main thread alone, which is not in the block."""
    handlers = []

    def enter():
        with ctrl_c.later():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs masks")
def test_what_is_started_aside_begins_with_ctrl_c_masked():
    """In a thread of its own, so that the main thread's mask stays as it is; errors come here."""
    seen = []

    def start():
        seen.append((threading.current_thread(), signal.pthread_sigmask(signal.SIG_BLOCK, ())))

    ctrl_c.aside(start)
    ((thread, mask),) = seen
    assert signal.SIGINT in mask
    assert thread is not threading.main_thread()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(ZeroDivisionError):
        ctrl_c.aside(lambda: 1 // 0)
