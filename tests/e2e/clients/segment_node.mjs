// Drives @segment/analytics-node through a plan, as an application would.
import { Analytics } from "@segment/analytics-node";

const plan = JSON.parse(process.argv[2]);
const errors = [];
const client = new Analytics({
  writeKey: plan.key,
  host: plan.url,
  maxEventsInBatch: plan.batch ? 15 : 1,
  flushInterval: 500,
});
client.on("error", (error) => errors.push(`${error.code}: ${error.reason}`));
for (const { type, ...step } of plan.steps) client[type](step);
await client.closeAndFlush();
console.log(JSON.stringify({ errors }));
