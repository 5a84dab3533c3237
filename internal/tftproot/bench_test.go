package tftproot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// BenchmarkRedeploy switches all of 10,000 hosts with two MAC addresses, in turn
// with the bare system calls that this needs: a symbolic link, a rename and a
// read for each host, one sync for the directory. The ratio of the medians is
// what counts. TMPDIR and PXE_PILOT_BENCH_DIR choose file systems.
func BenchmarkRedeploy(b *testing.B) {
	for _, base := range []string{os.TempDir(), "/dev/shm"} {
		b.Run(filepath.Base(base), func(b *testing.B) {
			const n = 10000
			dir, err := os.MkdirTemp(base, "pxe-pilot-bench-")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(dir)
			hosts := make([]string, n)
			for i := range hosts {
				hosts[i] = fmt.Sprintf("h%d 02:00:00:00:%02x:%02x 02:00:00:01:%02x:%02x", i, i>>8, i&255, i>>8, i&255)
			}
			s := newSite(b, Options{Path: filepath.Join(dir, "ours")}, []string{"a", "b"}, hosts...)
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("h%d", i)
			}
			s.deploy("a", names...)
			bare := newBareLoop(b, filepath.Join(dir, "bare"), n)
			var ours, theirs []time.Duration
			configuration := [2]string{"a", "b"}
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				bare.run(b)
				theirs = append(theirs, time.Since(start))
				start = time.Now()
				_, err := s.Change(context.Background(), s.inv, false, func(v *pxepilot.View) ([]pxepilot.Move, error) {
					moves := make([]pxepilot.Move, n)
					for j, h := range s.inv.Hosts() {
						moves[j] = pxepilot.Move{Host: h, Configuration: configuration[(i+1)%2]}
					}
					return moves, nil
				})
				if err != nil {
					b.Fatal(err)
				}
				ours = append(ours, time.Since(start))
			}
			b.ReportMetric(median(ours).Seconds()*1e3, "ms/ours")
			b.ReportMetric(median(theirs).Seconds()*1e3, "ms/bare")
			b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "ratio")
		})
	}
}

// BenchmarkExplain explains hosts of a site of 10,000 with two MAC addresses and a
// UUID each: all, where half of them are deployed and where all are, and one.
func BenchmarkExplain(b *testing.B) {
	const n = 10000
	hosts, names := make([]string, n), make([]string, n)
	for i := range hosts {
		names[i] = fmt.Sprintf("h%d", i)
		hosts[i] = fmt.Sprintf("h%d uuid:00000000-0000-0000-0000-%012x 02:00:00:00:%02x:%02x 02:00:00:01:%02x:%02x", i, i+1, i>>8, i&255, i>>8, i&255)
	}
	s := newSite(b, Options{}, []string{"a"}, hosts...)
	measure := func(name string, hosts []*pxepilot.Host) {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if _, err := s.Explain(context.Background(), s.inv, hosts); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			done := float64(b.N * len(hosts))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/done, "ns/host")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/done, "allocs/host")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/done, "B/host")
		})
	}
	s.deploy("a", names[:n/2]...)
	measure("half", s.inv.Hosts())
	s.deploy("a", names[n/2:]...)
	measure("all", s.inv.Hosts())
	measure("one", s.inv.Hosts()[:1])
}

// A bareLoop is a directory of links that are switched by nothing but system
// calls.
type bareLoop struct {
	dir         *os.File
	names, temp []string
	turn        int
}

func newBareLoop(b *testing.B, path string, n int) *bareLoop {
	if err := os.MkdirAll(path, 0o755); err != nil {
		b.Fatal(err)
	}
	dir, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dir.Close() })
	l := &bareLoop{dir: dir}
	for i := range n {
		l.names = append(l.names, fmt.Sprintf("01-02-00-00-00-%02x-%02x", i>>8, i&255))
		l.temp = append(l.temp, ".pxe-pilot.00000000."+l.names[i])
		for _, link := range [][2]string{{"conf/a", l.names[i]}, {l.names[i], fmt.Sprintf("01-02-00-00-01-%02x-%02x", i>>8, i&255)}} {
			if err := unix.Symlinkat(link[0], int(dir.Fd()), link[1]); err != nil {
				b.Fatal(err)
			}
		}
	}
	return l
}

func (l *bareLoop) run(b *testing.B) {
	l.turn++
	text := []string{"conf/a", "conf/b"}[l.turn%2]
	buf := make([]byte, 256)
	fd := int(l.dir.Fd())
	for i := range l.names {
		if err := unix.Symlinkat(text, fd, l.temp[i]); err != nil {
			b.Fatal(err)
		}
		if err := unix.Renameat(fd, l.temp[i], fd, l.names[i]); err != nil {
			b.Fatal(err)
		}
		if n, err := unix.Readlinkat(fd, l.names[i], buf); err != nil || string(buf[:n]) != text {
			b.Fatal(err)
		}
	}
	if err := unix.Fsync(fd); err != nil {
		b.Fatal(err)
	}
}

func median(d []time.Duration) time.Duration {
	sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
	return d[len(d)/2]
}
