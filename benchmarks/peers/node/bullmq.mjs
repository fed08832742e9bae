// BullMQ on Redis.

import { Queue, Worker } from "bullmq";
import { handle, main } from "./peer.mjs";

class BullMQ {
  static package = "bullmq";

  constructor(store, options) {
    const { hostname, port, pathname } = new URL(store);
    this.connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)), maxRetriesPerRequest: null };
    this.options = options;
  }

  async prepare() {
    this.queue = new Queue("jobs", { connection: this.connection });
    await this.queue.waitUntilReady();
  }

  async enqueue(jobs) {
    if (jobs.length === 1) await this.queue.add("job", jobs[0]);
    else await this.queue.addBulk(jobs.map((data) => ({ name: "job", data })));
  }

  async unfinished() {
    return this.queue.getJobCountByTypes("wait", "active", "delayed", "prioritized", "paused");
  }

  async work() {
    const { concurrency } = this.options;
    new Worker("jobs", (job) => handle(job.data), { connection: this.connection, concurrency });
  }
}

await main(BullMQ);
