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
// for each host, one fsync for the directory. Ours writes the journal as well.
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

// BenchmarkRedeployOnce does so once, and so every host is armed and the one before
// ends: that is what is more to be written down, kept and told. Then it lists them.
func BenchmarkRedeployOnce(b *testing.B) {
	for name, base := range fileSystems {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, base, many, nil)
			s.start()
			bodies := map[string]string{"a": s.onceBody(many, "b"), "b": s.onceBody(many, "a")}
			s.deploy("a", bodies["a"])
			var ours, lists []time.Duration
			for i := 0; b.Loop(); i++ {
				c := []string{"b", "a"}[i%2]
				ours = append(ours, s.deploy(c, bodies[c]))
				lists = append(lists, s.list())
			}
			b.ReportMetric(ms(median(ours)), "ms/ours")
			b.ReportMetric(ms(median(lists)), "ms/list")
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

// BenchmarkDeployDurably switches the one host of a small site, in turn with the
// syncs that it needs: the intent is in the journal's log, then the temporary link
// in its directory and the plan in a file and the root, then the link is renamed
// and its directory synced, then the plan is gone from the root, and then the result
// is in the journal's log.
func BenchmarkDeployDurably(b *testing.B) {
	s := newSite(b, fileSystems["disk"], 1, nil) // in memory nothing has to be synced
	s.start()
	s.deploy("a", s.body(1))
	bare := newBareSyncs(b, filepath.Join(s.dir, "bare"))
	var ours, theirs []time.Duration
	for b.Loop() {
		for i := range row {
			theirs = append(theirs, bare.run(b))
			ours = append(ours, s.deploy([]string{"b", "a"}[i%2], s.body(1)))
		}
	}
	b.ReportMetric(ms(median(ours)), "ms/ours")
	b.ReportMetric(ms(median(theirs)), "ms/bare")
	b.ReportMetric(ms(median(ours))/ms(median(theirs)), "ours/bare")
}

// row is how many deploys of one host are one run: the first ones of a file system
// that was idle are not like those that follow.
const row = 30

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

// bareSyncs are two directories, a link in one of them, and a log, that nothing but
// system calls change.
type bareSyncs struct {
	root, links, log int
	pages            []byte // that one transaction of the journal writes
	written          int64
}

func newBareSyncs(b *testing.B, dir string) *bareSyncs {
	check(b, os.MkdirAll(filepath.Join(dir, "links"), 0o755))
	open := func(path string, flags int) int {
		fd, err := unix.Open(path, flags, 0o600)
		check(b, err)
		b.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	s := &bareSyncs{root: open(dir, unix.O_RDONLY), links: open(filepath.Join(dir, "links"), unix.O_RDONLY),
		log: open(filepath.Join(dir, "log"), unix.O_RDWR|unix.O_CREAT), pages: make([]byte, 3*(4096+24))}
	check(b, unix.Symlinkat("a", s.links, "link"))
	return s
}

func (s *bareSyncs) run(b *testing.B) time.Duration {
	began := time.Now()
	s.append(b)
	check(b, unix.Symlinkat("b", s.links, "temporary"))
	check(b, unix.Fsync(s.links))
	plan, err := unix.Openat(s.root, "plan", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	check(b, err)
	_, err = unix.Write(plan, s.pages[:300])
	check(b, err)
	check(b, unix.Fsync(plan))
	check(b, unix.Close(plan))
	check(b, unix.Fsync(s.root))
	check(b, unix.Renameat(s.links, "temporary", s.links, "link"))
	check(b, unix.Fsync(s.links))
	check(b, unix.Unlinkat(s.root, "plan", 0))
	check(b, unix.Fsync(s.root))
	s.append(b)
	return time.Since(began)
}

// append is a transaction of the journal.
func (s *bareSyncs) append(b *testing.B) {
	n, err := unix.Pwrite(s.log, s.pages, s.written)
	check(b, err)
	s.written += int64(n)
	check(b, unix.Fsync(s.log))
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
