"""The newest-frame mailbox: replaces, counts, is fair, wakes and closes."""

import threading

from mot_compress_ros.ros.mailbox import Mailbox, Put


def opened(*cameras):
    mailbox = Mailbox(cameras)
    mailbox.open()
    return mailbox


def test_only_the_newest_message_is_kept_and_the_older_one_is_reported():
    mailbox = opened('front')
    assert [mailbox.put('front', n) for n in range(4)] == [
        Put.KEPT,
        *3 * [Put.REPLACED],
    ]
    assert mailbox.take() == {'front': 3}


def test_a_batch_holds_every_waiting_camera_in_the_order_of_the_cameras():
    mailbox = opened('front', 'left', 'right')
    for camera in ('right', 'front', 'front', 'front'):
        mailbox.put(camera, camera)
    assert list(mailbox.take()) == ['front', 'right']
    mailbox.put('left', 1)
    assert mailbox.take() == {'left': 1}


def test_a_closed_mailbox_takes_nothing_in_and_gives_nothing_out():
    mailbox = Mailbox(['front'])
    assert mailbox.put('front', 1) is Put.REFUSED
    assert mailbox.take() == {}


def test_nothing_from_before_a_pause_is_left_and_closing_names_what_is_thrown_away():
    mailbox = opened('front', 'rear')
    mailbox.put('front', 'old')
    assert mailbox.close() == ['front']
    assert mailbox.close() == []
    mailbox.open()
    assert mailbox.put('front', 'new') is Put.KEPT
    assert mailbox.take() == {'front': 'new'}


def test_take_says_that_nothing_came_in_time():
    mailbox = opened('front')
    assert mailbox.take(timeout_s=0.01) is None
    mailbox.put('front', 1)
    assert mailbox.take(timeout_s=0.01) == {'front': 1}
    mailbox.close()
    assert mailbox.take(timeout_s=0.01) == {}, 'closed, which is something else'


def test_take_waits_for_a_message_and_close_wakes_it():
    mailbox = opened('front')
    batches = []

    def work():
        while batch := mailbox.take():
            batches.append(batch)
            taken.set()

    taken = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    mailbox.put('front', 1)
    assert taken.wait(10)
    mailbox.close()
    worker.join(10)
    assert not worker.is_alive()
    assert batches == [{'front': 1}]


def test_every_message_is_either_taken_or_reported_dropped():
    mailbox = opened('a', 'b')
    taken = []

    def work():
        while batch := mailbox.take():
            taken.extend(batch.items())

    worker = threading.Thread(target=work)
    worker.start()
    puts = [mailbox.put(camera, n) for n in range(2000) for camera in ('a', 'b')]
    dropped = puts.count(Put.REPLACED)
    while any(mailbox._slots.values()):
        pass
    mailbox.close()
    worker.join(10)
    assert len(taken) + dropped == 4000
    for camera in ('a', 'b'):
        numbers = [n for name, n in taken if name == camera]
        assert numbers == sorted(numbers)
        assert numbers[-1] == 1999
