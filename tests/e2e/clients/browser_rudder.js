// @rudderstack/analytics-js with its plugins bundled, as a page that bundles it uses it.
import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

window.start = ({ url, key, beacon, batching }) =>
  new Promise((done) => {
    window.analytics = new RudderAnalytics();
    window.analytics.ready(() => done());
    window.analytics.load(key, url, {
      configUrl: url,
      useBeacon: Boolean(beacon),
      ...(batching ? { queueOptions: { batch: { enabled: true, flushInterval: 60000, maxItems: 50 } } } : {}),
    });
    // Without destinations `ready` may have come before it was asked for.
    setTimeout(done, 3000);
  });
