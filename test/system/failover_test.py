"""Two brokers: clients and workers go on with the one that is left, and come back to the other by
themselves."""
import json
import subprocess

from cluster import BIN, SCRIPT, SystemTest, wait_for

CODE = 7077  # of florin-bench's transfers


class FailoverTest(SystemTest):
    BROKERS = 2
    POOLS = {"accounts": 2, "transactions": 2, "risk": 2}

    def transfers(self):
        return sum(int(self.cluster.sql(shard, "select count(*) from transfers"
                                        f" where code = {CODE} and result = 0")[0][0])
                   for shard in range(self.SHARDS))

    def load(self, *options):
        """Clients of libflorin that know both brokers, and say in the end how it went."""
        process = subprocess.Popen(
            [BIN / "florin-bench", "--config", self.cluster.dir / "client.zpl", "--json",
             "--shards=2", "--shards-crossing=50", "--warm-up=0", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_for_more(self, count=200):
        goal = self.transfers() + count
        wait_for("payments to go on", lambda: self.transfers() >= goal)

    def check(self, process):
        """Every request had its answer, and what was acknowledged is in the books."""
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, output)
        result = json.loads(output.splitlines()[-1])
        self.assertEqual((result["errors"], result["refused"], result["verified"]), (0, 0, True),
                         output)

    def settle(self, process):
        self.check(process)
        self.cluster.audit()

    def test_clients_and_workers_go_on_with_the_broker_that_is_left(self):
        pids = {name: self.cluster.pid(name) for name in self.cluster.names()
                if not name.startswith("broker")}
        load = self.load("--clients=8", "--seconds=12")
        self.wait_for_more()
        for broker in "broker-1", "broker-2":  # the second time, the first one has to do again
            self.cluster.end(broker, "KILL")
            self.wait_for_more()
            self.cluster.up()
            self.wait_for_more()
        self.settle(load)
        self.assertEqual(pids, {name: self.cluster.pid(name) for name in pids})

    def test_a_rolling_restart_fails_no_request(self):
        before = {name: self.cluster.pid(name) for name in self.cluster.names()}
        restart = subprocess.Popen([SCRIPT, "restart", "--dir", self.cluster.dir],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(restart.wait)
        self.addCleanup(restart.kill)
        while restart.poll() is None:
            load = self.load("--clients=8", "--seconds=5")
            while load.poll() is None:
                self.cluster.florin("trial-balance")
            self.check(load)
        self.assertEqual(restart.returncode, 0)
        self.cluster.audit()
        restarted = {name for name in before if before[name] != self.cluster.pid(name)}
        self.assertEqual(restarted, {name for name in before if not name.startswith("shard")})

    def drill(self, parts, *options):
        """What it reports is asked, how long it takes is not."""
        output = self.cluster.ops("drill", *options, "--dir", self.cluster.dir, seconds=150)
        rows = [line.split() for line in output.splitlines()[output.splitlines().index("") + 2:]]
        self.assertEqual([row[0] for row in rows], parts)
        for row in rows:
            self.assertGreater(int(row[-4]), 0, output)  # created
            self.assertEqual(row[-2:], ["0", "0"], output)  # lost, doubled
        self.cluster.audit()

    def test_the_drill_that_kills(self):
        self.drill(["broker", "transactions", "accounts", "risk", "shard-0", "shard-1"])

    def test_the_drill_that_stops(self):
        self.drill(["broker", "shard-1"], "--stop", "1", "--parts", "broker,shard-1")

    def test_a_broker_that_is_mute_is_left(self):
        load = self.load("--clients=4", "--seconds=12")
        self.wait_for_more()
        for broker in "broker-1", "broker-2":
            with self.paused(broker):
                self.wait_for_more()
            self.wait_for_more()
        self.settle(load)
