package bench

import (
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkStart starts the server on many hosts, each with an ipmi block, and
// waits for its first list.
func BenchmarkStart(b *testing.B) {
	s := newSite(b, fileSystems["disk"], many, unseen)
	var took []time.Duration
	var peak float64
	for b.Loop() {
		took = append(took, s.start())
		peak = max(peak, s.memory("VmHWM"))
		s.stop()
	}
	b.ReportMetric(ms(median(took)), "ms/start")
	b.ReportMetric(peak, "MB/peak")
}

// BenchmarkCommand runs "host list" of a small site as a whole process.
func BenchmarkCommand(b *testing.B) {
	s := newSite(b, fileSystems["disk"], 20, unseen)
	s.start()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		out, err := exec.Command(binary, "-s", s.url, "host", "list").CombinedOutput()
		took = append(took, time.Since(began))
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	b.ReportMetric(ms(median(took)), "ms/command")
}

// BenchmarkGrowth shows how start, redeploy and lists grow with the number of
// hosts.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{100, 1000, 10000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b, fileSystems["tmpfs"], n, unseen)
			started := s.start()
			body := s.body(n)
			s.deploy("a", body)
			var all, one, list []time.Duration
			for i := 0; b.Loop(); i++ {
				all = append(all, s.deploy([]string{"b", "a"}[i%2], body))
				one = append(one, s.deploy([]string{"a", "b"}[i%2], s.body(1)))
				s.settle()
				list = append(list, s.list())
			}
			b.ReportMetric(ms(started), "ms/start")
			b.ReportMetric(ms(median(all)), "ms/redeploy")
			b.ReportMetric(ms(median(one)), "ms/one")
			b.ReportMetric(ms(median(list)), "ms/list")
			b.ReportMetric(s.memory("VmHWM"), "MB/peak")
		})
	}
}
