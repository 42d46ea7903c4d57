// @segment/analytics-next, as a page that bundles it uses it; the test calls what it needs.
import { AnalyticsBrowser } from "@segment/analytics-next";

window.start = ({ url, key, batching }) => {
  window.analytics = AnalyticsBrowser.load(
    { writeKey: key, cdnURL: url },
    batching
      ? { integrations: { "Segment.io": { deliveryStrategy: { strategy: "batching", config: { size: 50, timeout: 60000 } } } } }
      : {},
  );
  return window.analytics.ready();
};
