"""Clients and workers that know the RFCs and the .proto file, and none of Florin's code."""
import threading
import time

import zmq

import wire
from cluster import SystemTest, wait_for
from wire import pb


class InteropTest(SystemTest):
    def pays(self, kind, first_account, transfer_id):
        with self.cluster.client(kind=kind) as client:
            debit, credit = first_account, first_account + 1  # neighbours: on two shards
            self.assertEqual(client.open_accounts([debit, credit]), ["created"] * 2)
            self.assertEqual(client.pay(transfer_id, debit, credit, 1250), "created")
            self.assertEqual(client.pay(transfer_id, debit, credit, 1250), "exists")
            self.assertEqual(client.balances(debit, credit), {debit: -1250, credit: 1250})

    def test_a_req_client_opens_accounts_and_pays(self):
        self.pays(zmq.REQ, 101, 9001)

    def test_a_dealer_client_opens_accounts_and_pays(self):
        self.pays(zmq.DEALER, 201, 9002)

    def test_a_correlating_req_client_gets_its_correlation_back(self):
        with self.cluster.client(kind=zmq.REQ) as client:
            client.socket.req_correlate = 1
            self.assertEqual(client.open_accounts([301]), ["created"])

    def test_a_dealer_has_many_requests_under_way_and_each_is_answered(self):
        self.client.open_accounts([401, 402])
        asked = {self.client.submit("transactions", create_transfers=pb.CreateTransfersRequest(
            transfers=[wire.transfer(9100 + i, 401, 402, 1)])) for i in range(200)}
        answered = [self.client.reply() for _ in asked]
        self.assertEqual({reply.request_id for reply in answered}, asked)
        self.assertTrue(all(reply.create_transfers.results[0].result == 0 for reply in answered))
        self.assertEqual(self.client.balances(402), {402: 200})

    def mmi(self, name, service=b"mmi.service"):
        self.client.send(service.decode(), name)
        return self.client.receive()

    def test_mmi_tells_which_services_there_are(self):
        for name in (b"accounts", b"transactions", b"risk"):
            self.assertEqual(self.mmi(name), ("mmi.service", [b"200"]))
        self.assertEqual(self.mmi(b"nobody"), ("mmi.service", [b"404"]))
        self.assertEqual(self.mmi(b"x", b"mmi.unheard"), ("mmi.unheard", [b"501"]))

    def serve(self, worker, ending):
        while not ending.is_set():
            if request := worker.request(0.2):
                worker.reply(*request)
        worker.disconnect()

    def echo_worker(self, service="echo"):
        """A plain RFC 7 worker in a thread, until the test ends."""
        worker = self.cluster.worker(service)
        ending = threading.Event()
        thread = threading.Thread(target=self.serve, args=(worker, ending))
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(ending.set)
        wait_for("the worker to register",
                 lambda: self.mmi(service.encode()) == ("mmi.service", [b"200"]))

    def test_a_plain_worker_serves_a_service_of_its_own(self):
        self.echo_worker()
        for body in ([b"hello"], [b"\x00\xff" * 1000], [b"two", b"frames"]):
            self.client.send("echo", *body)
            self.assertEqual(self.client.receive(), ("echo", body))

    def test_a_plain_worker_that_leaves_is_gone(self):
        worker = self.cluster.worker("brief")
        self.addCleanup(worker.close)
        wait_for("the worker to register", lambda: self.mmi(b"brief")[1] == [b"200"])
        worker.disconnect()
        wait_for("the worker to be gone", lambda: self.mmi(b"brief")[1] == [b"404"])

    def test_a_plain_worker_may_not_take_a_reserved_name(self):
        worker = self.cluster.worker("mmi.service")
        self.addCleanup(worker.close)
        self.assertTrue(worker.socket.poll(5000), "no answer to a forbidden READY")
        self.assertEqual(worker.socket.recv_multipart(), [b"", b"MDPW01", wire.DISCONNECT])

    def test_a_key_that_is_unknown_gets_no_answer(self):
        stranger = self.cluster.keys()
        stranger.public, stranger.secret = zmq.curve_keypair()
        with wire.Client(self.cluster.endpoint(), stranger) as client:
            monitor = client.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
            client.send("mmi.service", b"accounts")
            self.assertTrue(monitor.poll(5000), "the handshake was not refused")
            self.assertFalse(client.socket.poll(200))

    def test_a_client_key_opens_no_worker_socket(self):
        worker = wire.Worker(self.cluster.endpoint(workers=True), self.cluster.keys("operator"),
                             "intruder")
        self.addCleanup(worker.close)
        monitor = worker.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self.assertTrue(monitor.poll(5000), "the handshake was not refused")
        self.assertEqual(self.mmi(b"intruder")[1], [b"404"])

    def test_no_curve_no_entry(self):
        plain = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(plain.close, 0)
        plain.connect(self.cluster.endpoint())
        plain.send_multipart([b"", b"MDPC01", b"mmi.service", b"accounts"])
        self.assertFalse(plain.poll(500))

    def test_an_unknown_service_is_refused_by_name(self):
        began = time.monotonic()
        reply = self.client.call("nobody")
        self.assertEqual(reply.status, pb.STATUS_NO_SERVICE)
        self.assertIn("nobody", reply.message)
        self.assertLess(time.monotonic() - began, 5)
