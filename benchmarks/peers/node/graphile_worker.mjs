// graphile-worker on PostgreSQL, with its defaults or with a local queue and batched completion.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { handle, main } from "./peer.mjs";

const logger = new Logger(() => () => {});

class GraphileWorker {
  static package = "graphile-worker";

  constructor(store, options) {
    this.store = store;
    this.options = options;
  }

  async prepare() {
    this.pool = new pg.Pool({ connectionString: this.store });
    this.pool.on("error", () => {}); // it is told so by its connections being dropped with the database
    this.tools = await makeWorkerUtils({ pgPool: this.pool, logger });
    await this.tools.migrate();
  }

  async enqueue(jobs) {
    await this.tools.addJobs(jobs.map((payload) => ({ identifier: "job", payload })));
  }

  async unfinished() {
    const { rows } = await this.pool.query("SELECT count(*)::int AS left FROM graphile_worker._private_jobs");
    return rows[0].left;
  }

  async work() {
    const { concurrency, batch } = this.options;
    const batched = { localQueue: { size: batch }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    await run({
      connectionString: this.store,
      concurrency,
      taskList: { job: handle },
      logger,
      noHandleSignals: true,
      preset: batch ? { worker: batched } : undefined,
    });
  }
}

await main(GraphileWorker);
