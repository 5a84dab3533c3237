package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// BenchmarkWrite writes an intent and its result, as a deploy does, in turn with
// the bare system calls that durability needs: the same bytes appended to a file
// in the same directory and synced, twice. The ratio of the medians is what
// counts. TMPDIR chooses the file system.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			j := opened(b, dir)
			bare, err := os.OpenFile(filepath.Join(dir, "bare"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer bare.Close()
			var ours, theirs []time.Duration
			var size int
			for b.Loop() {
				intent, result := deployOf(n)
				start := time.Now()
				if err := j.Write(b.Context(), intent); err != nil {
					b.Fatal(err)
				}
				if err := j.Write(b.Context(), result); err != nil {
					b.Fatal(err)
				}
				ours = append(ours, time.Since(start))
				data := [2][]byte{packHosts(intent.New[0].Hosts), append(packHosts(result.Finished[0].Hosts), packFacts(result)...)}
				size = len(data[0]) + len(data[1])
				start = time.Now()
				for _, d := range data {
					if _, err := bare.Write(d); err != nil {
						b.Fatal(err)
					}
					if err := bare.Sync(); err != nil {
						b.Fatal(err)
					}
				}
				theirs = append(theirs, time.Since(start))
			}
			b.ReportMetric(ms(median(ours)), "ms/ours")
			b.ReportMetric(ms(median(theirs)), "ms/bare")
			b.ReportMetric(ms(median(ours))/ms(median(theirs)), "ratio")
			b.ReportMetric(ms(ours[len(ours)*99/100]), "ms/ours-p99")
			b.ReportMetric(float64(size), "B/record")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkEntries asks a journal of two busy years, 100,000 entries of a few hosts
// and 100 of 10,000, as people do, and opens it.
func BenchmarkEntries(b *testing.B) {
	dir := b.TempDir()
	f := newFixture(b, dir, Options{})
	const n, pieces = 100000, 100
	for i := range pieces {
		wide, _ := deployOf(10000)
		wide.New[0].At = at.Add(time.Duration(i) * n / pieces * 10 * time.Minute)
		wide.New[0].Result = pxepilot.Done
		for k := range n / pieces {
			i := i*n/pieces + k
			e := &pxepilot.Entry{At: at.Add(time.Duration(i) * 10 * time.Minute), What: pxepilot.Deployed, Actor: "api", Result: pxepilot.Done}
			if i == n/3 {
				e.Actor = "host h7"
			}
			for h := range 3 {
				e.Hosts = append(e.Hosts, wide.New[0].Hosts[(7*i+h)%10000])
			}
			wide.New = append(wide.New, e)
		}
		f.must(f.Write(b.Context(), wide))
	}
	f.must(f.catchUp(b.Context()))
	f.must(f.Close())
	info, err := os.Stat(f.path)
	f.must(err)
	b.Logf("%d MiB", info.Size()>>20)
	j := opened(b, dir)
	for name, q := range map[string]pxepilot.Question{
		"latest":   {Most: 50, Hosts: 3},
		"page":     {Most: 50, Hosts: 3, Before: n / 2},
		"host":     {Host: "rack50-node5000", Most: 50, Hosts: 1},
		"all host": {Host: "rack50-node5000", Hosts: 1},
		"actor":    {Actor: "host h7", Most: 50, Hosts: 3},
		"hour":     {Since: at.Add((n - 6) * 10 * time.Minute), Most: 50, Hosts: 3},
		"wide":     {ID: 1},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				entries, err := j.Entries(b.Context(), q)
				if err != nil || len(entries) == 0 {
					b.Fatal(len(entries), err)
				}
			}
		})
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			j, err := Open(b.Context(), Options{Directory: dir})
			if err != nil {
				b.Fatal(err)
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// deployOf is what a deploy of n hosts writes. The result is of the same entry.
func deployOf(n int) (intent, result *pxepilot.Record) {
	e := &pxepilot.Entry{At: at, What: pxepilot.Deployed, Actor: "api", From: "10.0.0.9:41234", Of: "ubuntu-24.04"}
	known := make(map[string]pxepilot.Boot, n)
	for i := range n {
		name := fmt.Sprintf("rack%02d-node%04d", i/100, i)
		digest := fmt.Sprintf("%032x", (uint64(i)+1)*0x9e3779b97f4a7c15)
		h := pxepilot.Switch{
			Host:   name,
			Before: pxepilot.Boot{State: pxepilot.Configured, Configuration: "local", Digest: digest},
			After:  pxepilot.Boot{State: pxepilot.Configured, Configuration: "ubuntu-24.04", Digest: digest},
		}
		e.Hosts = append(e.Hosts, h)
		known[name] = h.After
	}
	done := e
	return &pxepilot.Record{New: []*pxepilot.Entry{e}}, &pxepilot.Record{Finished: []*pxepilot.Entry{done}, Known: known}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
