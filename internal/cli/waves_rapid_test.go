package cli

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWavesReachEachHostOnce draws sites and failures, and wants every host in
// one wave at most, in order, and no wave after too many have failed.
func TestWavesReachEachHostOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "hosts")
		w := waves{batch: rapid.IntRange(0, 20).Draw(t, "batch"), maxFail: rapid.IntRange(0, 5).Draw(t, "maxFail")}
		fails := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "fails")
		hosts := make([]string, n)
		bad := map[string]bool{}
		for i := range hosts {
			hosts[i] = fmt.Sprint("h", i)
			bad[hosts[i]] = fails[i]
		}
		var reached []string
		failed, full := 0, 0
		err := (&program{}).inWaves(context.Background(), &w, hosts, func(_ context.Context, wave []string, told func(bool)) error {
			if failed > w.maxFail {
				t.Fatalf("one more wave after %d failures", failed)
			}
			if w.batch > 0 && len(wave) > w.batch {
				t.Fatalf("a wave of %d", len(wave))
			}
			if w.batch > 0 && len(wave) < w.batch {
				full++
			}
			for _, host := range wave {
				told(bad[host])
				if bad[host] {
					failed++
				}
			}
			reached = append(reached, wave...)
			return nil
		})
		if full > 1 || !slices.Equal(reached, hosts[:len(reached)]) {
			t.Fatalf("%d waves are not full, reached %s", full, cmp.Diff(hosts, reached))
		}
		if (err == nil) != (len(reached) == n) || err != nil && failed <= w.maxFail {
			t.Fatalf("%d of %d reached, %d failed: %v", len(reached), n, failed, err)
		}
		if plan := w.plan(n); (plan != "") != (len(w.of(hosts)) > 1) {
			t.Fatalf("%d waves, and the plan is %q", len(w.of(hosts)), plan)
		}
	})
}
