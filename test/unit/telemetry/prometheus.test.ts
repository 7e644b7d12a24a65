import { expect, test } from '@jest/globals';
import { Instruments, MOST_APPS } from '../../../src/telemetry/instruments.ts';
import { prometheusText } from '../../../src/telemetry/prometheus.ts';

test('the text that Prometheus reads', async () => {
  const instruments = new Instruments();
  instruments.requests.with('g"\\\n', 'm', 'ok', 'false', '').value += 3;
  instruments.overhead.observe(0.0002);
  instruments.overhead.observe(5);
  instruments.gauges.push({ type: 'gauge', name: 'spillway_degraded', help: 'Help.', labelNames: [], read: () => [{ labels: [], value: 1 }] });
  const lines = (await prometheusText(instruments)).split('\n');
  expect(lines).toContain('# TYPE spillway_requests_total counter');
  expect(lines).toContain('spillway_requests_total{group="g\\"\\\\\\n",model="m",outcome="ok",fallback="false",reason=""} 3');
  expect(lines).toContain('spillway_overhead_seconds_bucket{le="0.0001"} 0');
  expect(lines).toContain('spillway_overhead_seconds_bucket{le="0.00025"} 1');
  expect(lines).toContain('spillway_overhead_seconds_bucket{le="+Inf"} 2');
  expect(lines).toContain('spillway_overhead_seconds_count 2');
  expect(lines).toContain('spillway_degraded 1');
  expect(lines.at(-1)).toBe('');
});

test('callers beyond a thousand share one label, and those before keep theirs', () => {
  const instruments = new Instruments();
  for (let i = 0; i < MOST_APPS; i++) instruments.appRequests.with(instruments.app(`app-${i}`)).value++;
  expect(instruments.app('app-7')).toBe('app-7');
  expect(instruments.app('one-more')).toBe('other');
});
