package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// many is the number of hosts, of two MAC addresses each.
const many = 10000

// BenchmarkRedeploy switches all hosts by one HTTP call, in turn with the bare
// loop of the system calls that this needs: symlinkat, renameat and readlinkat
// for each host, one fsync for the directory.
func BenchmarkRedeploy(b *testing.B) {
	for name, base := range fileSystems {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, base, many, nil)
			s.start()
			body := s.body(many)
			s.deploy("a", body)
			bare := newBareLoop(b, filepath.Join(s.dir, "bare"))
			var ours, theirs []time.Duration
			for i := 0; b.Loop(); i++ {
				theirs = append(theirs, bare.run(b))
				ours = append(ours, s.deploy([]string{"b", "a"}[i%2], body))
			}
			b.ReportMetric(ms(median(ours)), "ms/ours")
			b.ReportMetric(ms(median(theirs)), "ms/bare")
			b.ReportMetric(ms(median(ours))/ms(median(theirs)), "ours/bare")
		})
	}
}

// BenchmarkDeployOne switches one host of many, in turn with a bare symlinkat,
// renameat, readlinkat and fsync.
func BenchmarkDeployOne(b *testing.B) {
	for name, base := range fileSystems {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, base, many, nil)
			s.start()
			s.deploy("a", s.body(many))
			var ours []time.Duration
			for i := 0; b.Loop(); i++ {
				ours = append(ours, s.deploy([]string{"b", "a"}[i%2], s.body(1)))
			}
			b.ReportMetric(ms(median(ours)), "ms/ours")
		})
	}
}

// BenchmarkList lists all hosts where nothing changed, where one link did, and
// where all did.
func BenchmarkList(b *testing.B) {
	for name, base := range fileSystems {
		s := newSite(b, base, many, nil)
		s.start()
		body := s.body(many)
		s.deploy("a", body)
		run := func(what string, change func(i int)) {
			b.Run(name+"/"+what, func(b *testing.B) {
				var took []time.Duration
				for i := 0; b.Loop(); i++ {
					change(i)
					took = append(took, s.list())
				}
				b.ReportMetric(ms(median(took)), "ms/list")
			})
		}
		s.settle()
		run("unchanged", func(int) {})
		run("one", func(i int) {
			temp := s.link(0) + ".new"
			check(b, os.Symlink([]string{"conf/b", "conf/a"}[i%2], temp))
			check(b, os.Rename(temp, s.link(0)))
		})
		run("all", func(i int) { s.deploy([]string{"b", "a"}[i%2], body) })
	}
}

// A bareLoop is a directory of links that nothing but system calls switch.
type bareLoop struct {
	fd          int
	names, temp []string
	turn        int
}

func newBareLoop(b *testing.B, dir string) *bareLoop {
	check(b, os.MkdirAll(dir, 0o755))
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	check(b, err)
	b.Cleanup(func() { unix.Close(fd) })
	l := &bareLoop{fd: fd}
	for i := range many {
		l.names = append(l.names, fmt.Sprintf("01-02-00-00-%02x-%02x-%02x", i>>16, i>>8&255, i&255))
		l.temp = append(l.temp, ".pxe-pilot.00000000."+l.names[i])
		check(b, unix.Symlinkat("conf/a", fd, l.names[i]))
		check(b, unix.Symlinkat(l.names[i], fd, fmt.Sprintf("01-02-00-01-%02x-%02x-%02x", i>>16, i>>8&255, i&255)))
	}
	return l
}

func (l *bareLoop) run(b *testing.B) time.Duration {
	l.turn++
	text := []string{"conf/a", "conf/b"}[l.turn%2]
	buf := make([]byte, 256)
	began := time.Now()
	for i := range l.names {
		check(b, unix.Symlinkat(text, l.fd, l.temp[i]))
		check(b, unix.Renameat(l.fd, l.temp[i], l.fd, l.names[i]))
		if n, err := unix.Readlinkat(l.fd, l.names[i], buf); err != nil || string(buf[:n]) != text {
			b.Fatalf("%s: %q, %v", l.names[i], buf[:n], err)
		}
	}
	check(b, unix.Fsync(l.fd))
	return time.Since(began)
}
