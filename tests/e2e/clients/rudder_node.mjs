// Drives @rudderstack/rudder-sdk-node through a plan, as an application would.
import Analytics from "@rudderstack/rudder-sdk-node";

const plan = JSON.parse(process.argv[2]);
const errors = [];
const client = new Analytics(plan.key, {
  dataPlaneUrl: plan.url,
  flushAt: plan.batch ? 20 : 1,
  flushInterval: 200,
  gzip: plan.gzip,
  logLevel: "error",
  errorHandler: (error) => errors.push(String(error)),
});
await Promise.all(
  plan.steps.map(
    ({ type, ...step }) =>
      new Promise((done) => client[type](step, (error) => done(error && errors.push(String(error))))),
  ),
);
console.log(JSON.stringify({ errors }));
process.exit(0);
