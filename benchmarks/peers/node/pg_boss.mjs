// pg-boss on PostgreSQL. It polls: a drain is bound by batch size and interval, by design.

import pg from "pg";
import PgBoss from "pg-boss";
import { handle, main } from "./peer.mjs";

const QUEUE = "jobs";

class Boss {
  static package = "pg-boss";

  constructor(store, options) {
    this.store = store;
    this.options = options;
  }

  async prepare() {
    this.boss = await new PgBoss(this.store).start();
    await this.boss.createQueue(QUEUE);
    this.pool = new pg.Pool({ connectionString: this.store });
  }

  async enqueue(jobs) {
    await this.boss.insert(jobs.map((data) => ({ name: QUEUE, data })));
  }

  async unfinished() {
    const { rows } = await this.pool.query("SELECT count(*)::int AS left FROM pgboss.job WHERE name = $1 AND state < 'completed'", [QUEUE]);
    return rows[0].left;
  }

  async work() {
    const boss = await new PgBoss(this.store).start();
    const { batch, interval } = this.options;
    await boss.work(QUEUE, { batchSize: batch, pollingIntervalSeconds: interval }, (jobs) =>
      Promise.all(jobs.map((job) => handle(job.data))),
    );
  }
}

await main(Boss);
