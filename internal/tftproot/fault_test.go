package tftproot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// A fault makes calls of a change fail. done says whether a call was carried out
// although it failed, as happens over a network.
type fault struct {
	errno syscall.Errno
	fails func(n int) bool
	done  bool
}

// strike runs the scenario with the fault on a fresh copy of its site.
func (st *story) strike(t tb, f fault) error {
	t.Helper()
	st.begin.write(t, st.path)
	st.Root = st.fresh()
	rec := record(st.Root)
	answer := func(n int, _ op) error {
		if f.fails(n) {
			return f.errno
		}
		return nil
	}
	if f.done {
		rec.after = answer
	} else {
		rec.before = answer
	}
	return st.run(st.site)
}

// consequences looks at what a fault left. Either nothing changed, or everything
// did, or the error tells of each host where it is, and the next start mends it.
func (st *story) consequences(t tb, err error) {
	t.Helper()
	got := st.fetchAll()
	if err == nil || pxepilot.ErrorCode(err) != pxepilot.Internal {
		want := st.old
		if err == nil {
			want = st.new
		}
		if !mapsEqual(got, want) {
			t.Fatalf("%v\nwant %v\ngot  %v\n%v", err, want, got, st.tree())
		}
		if err != nil && !strings.Contains(err.Error(), "; nothing was switched") {
			t.Fatalf("%v does not say that nothing was switched", err)
		}
	} else {
		st.truthful(t, err)
	}
	st.recover()
	got = st.fetchAll()
	if !mapsEqual(got, st.old) && !mapsEqual(got, st.new) || err == nil && !mapsEqual(got, st.new) ||
		err != nil && pxepilot.ErrorCode(err) != pxepilot.Internal && !mapsEqual(got, st.old) {
		t.Fatalf("%v\nafter the next start: %v", err, st.tree())
	}
	if left := st.leftovers(); len(left) > 0 {
		t.Fatalf("%v\nleft over: %v", err, left)
	}
	if !keptFiles(st.begin, readDisk(t, st.path)) {
		t.Fatalf("%v\na file was lost, or has two names: %v", err, st.tree())
	}
}

var whereabouts = regexp.MustCompile(`"(\w+)" is (old|new|unknown)`)

// truthful compares what an error says of each host with what its links are.
func (st *story) truthful(t tb, err error) {
	t.Helper()
	now := readDisk(t, st.path)
	if strings.Contains(err.Error(), "everything was switched") {
		if !mapsEqual(st.fetchAll(), st.new) {
			t.Fatalf("%v\nbut %v", err, st.tree())
		}
		return
	}
	told := whereabouts.FindAllStringSubmatch(err.Error(), -1)
	if len(told) < len(st.who) || strings.Contains(err.Error(), "nothing was") {
		t.Fatalf("not of all of %v: %v", st.who, err)
	}
	for _, is := range told {
		for _, name := range st.names(st.host(is[1])) {
			if is[2] == "old" && now[name].text != st.begin[name].text || is[2] == "new" && now[name].text != st.end[name].text {
				t.Fatalf("%v\nbut %s is %q", err, name, now[name].text)
			}
		}
	}
}

var errnos = []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EACCES}

// TestOneCallFails lets every call of every change fail, in every way.
func TestOneCallFails(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
			for n := range st.ops {
				for i, errno := range errnos {
					// A directory that was made all the same stays, for it may be anybody's.
					done := i == 1 && st.ops[n].call != "mkdir"
					err := st.strike(t, fault{errno: errno, fails: func(m int) bool { return m == n }, done: done})
					st.consequences(t, err)
					if st.ops[n].call == "unlink" && err == nil {
						continue // a temporary name that stays for the next start
					}
					st.begin.check(t, err, st)
				}
			}
		})
	}
}

// check looks that a change that failed without being done left the very same
// tree: neither temporary names nor directories.
func (d disk) check(t tb, err error, st *story) {
	t.Helper()
	if code := pxepilot.ErrorCode(err); code != pxepilot.Unavailable && code != pxepilot.Conflict {
		return
	}
	now := readDisk(t, st.path)
	if len(now) != len(d) {
		t.Fatalf("%v\nbut before %v\nnow %v", err, d, now)
	}
}

// TestDiskDies lets every call from the n-th on fail.
func TestDiskDies(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
			for n := range st.ops {
				err := st.strike(t, fault{errno: syscall.EROFS, fails: func(m int) bool { return m >= n }})
				st.consequences(t, err)
			}
		})
	}
}

// TestAnyCallsFail lets any of the calls fail.
func TestAnyCallsFail(t *testing.T) {
	checks(t, 300, 20000)
	stories := make([]*story, len(scenarios))
	for i, sc := range scenarios {
		stories[i] = sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
	}
	rapid.Check(t, func(t *rapid.T) {
		st := stories[rapid.IntRange(0, len(stories)-1).Draw(t, "scenario")]
		failing := rapid.SliceOfN(rapid.IntRange(0, len(st.ops)+10), 1, 4).Draw(t, "calls")
		err := st.strike(t, fault{
			errno: rapid.SampledFrom(errnos).Draw(t, "errno"),
			fails: func(n int) bool { return slices.Contains(failing, n) },
			done:  rapid.Bool().Draw(t, "carried out all the same"),
		})
		st.consequences(t, err)
	})
}

// TestTheSecondNameOfAFileIsNotForgotten: where neither the rename over a file nor
// the removal of the name that it is kept under can be done, the next start does
// the latter.
func TestTheSecondNameOfAFileIsNotForgotten(t *testing.T) {
	sc := scenarios[slices.IndexFunc(scenarios, func(sc scenario) bool { return sc.name == "force" })]
	st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
	st.begin.write(t, st.path)
	record(st.Root).before = func(_ int, o op) error {
		if o.call == "rename" && o.to == lnk1 || o.call == "unlink" && strings.Contains(o.to, ".orig-") {
			return syscall.EACCES
		}
		return nil
	}
	err := st.run(st.site)
	if pxepilot.ErrorCode(err) != pxepilot.Internal {
		t.Errorf("%v", err)
	}
	st.consequences(t, err)
}

// TestMessages: one line that says what, where and for whom.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		call  string
		want  string
	}{
		{syscall.ENOSPC, "symlink", `host "h1": no link can be made beside pxelinux.cfg/` + lnk1 + `: no space left on device (or no inodes); nothing was switched`},
		{syscall.EROFS, "symlink", `host "h1": no link can be made beside pxelinux.cfg/` + lnk1 + `: read-only file system; nothing was switched`},
		{syscall.EACCES, "symlink", fmt.Sprintf(`host "h1": no link can be made beside pxelinux.cfg/%s: permission denied for the user that the server runs as (uid %d); nothing was switched`, lnk1, os.Geteuid())},
		{syscall.ENOSPC, "create", `the plan of the change cannot be written: no space left on device (or no inodes); nothing was switched`},
		{syscall.EIO, "rename", `host "h1": pxelinux.cfg/` + lnk1 + ` cannot be switched: input/output error; nothing was switched`},
		{syscall.EIO, "sync", `directory pxelinux.cfg cannot be made durable: input/output error; nothing was switched`},
	} {
		s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
		failed := false
		record(s.Root).before = func(_ int, o op) error {
			if !failed && o.call == tt.call {
				failed = true
				return tt.errno
			}
			return nil
		}
		err := s.change(pxepilot.Deploy, "a", "h1")
		if err == nil || err.Error() != tt.want || pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Errorf("%v: %v\nwant %s", pxepilot.ErrorCode(err), err, tt.want)
		}
	}
}

// hook runs something right before, or right after, the first call of a kind
// on a name.
func (s *site) hook(call, name string, early bool, do func()) {
	ran := false
	hooked := func(_ int, o op) error {
		if !ran && o.call == call && (o.to == name || o.from == name) {
			ran = true
			do()
		}
		return nil
	}
	if rec := record(s.Root); early {
		rec.before = hooked
	} else {
		rec.after = hooked
	}
}

// TestAPersonIsFaster: a person's "ln -sfn" in the middle of a deploy stays, and
// everything else is undone.
func TestAPersonIsFaster(t *testing.T) {
	for _, tt := range []struct {
		name, call, at string // the call before or after which the person acts
		early          bool
		do             func(s *site)
	}{
		{"between plan and rename", "create", planName, false, func(s *site) { s.symlink("conf/c", "pxelinux.cfg/"+lnk2) }},
		{"between the renames", "rename", lnk1, false, func(s *site) { s.symlink("conf/c", "pxelinux.cfg/"+lnk2) }},
		{"between rename and reading back", "rename", lnk2, false, func(s *site) { s.symlink("conf/c", "pxelinux.cfg/"+lnk2) }},
		{"by removing it", "create", planName, false, func(s *site) { _ = os.Remove(filepath.Join(s.path, "pxelinux.cfg", lnk2)) }},
		{"by removing it after the rename", "rename", lnk2, false, func(s *site) { _ = os.Remove(filepath.Join(s.path, "pxelinux.cfg", lnk2)) }},
		{"by a file", "rename", lnk1, false, func(s *site) {
			_ = os.Remove(filepath.Join(s.path, "pxelinux.cfg", lnk2))
			s.write("pxelinux.cfg/"+lnk2, "theirs")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{}, []string{"a", "b", "c"}, "h1 "+mac1, "h2 "+mac2, "h3 "+mac3+" "+mac33)
			s.deploy("a", "h1", "h2", "h3")
			want := s.tree()
			delete(want, "pxelinux.cfg/"+lnk2)
			theirs := ""
			s.hook(tt.call, tt.at, tt.early, func() {
				tt.do(s)
				theirs = s.tree()["pxelinux.cfg/"+lnk2]
			})
			err := s.change(pxepilot.Deploy, "b", "h1", "h2", "h3")
			const message = `host "h2": pxelinux.cfg/` + lnk2 + ` was changed by somebody else meanwhile and stays so; look at it and try again; nothing was switched`
			if pxepilot.ErrorCode(err) != pxepilot.Conflict || err.Error() != message {
				t.Errorf("%v", err)
			}
			got := s.tree()
			diff(t, theirs, got["pxelinux.cfg/"+lnk2])
			delete(got, "pxelinux.cfg/"+lnk2)
			diff(t, want, got)
		})
	}
}

// TestConfigurationGoesDuringTheDeploy: between list and deploy it is not found by
// whoever decides; later, everything is undone.
func TestConfigurationGoesDuringTheDeploy(t *testing.T) {
	s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	want := s.tree()
	delete(want, "pxelinux.cfg/conf/b")
	s.hook("rename", lnk1, false, func() { _ = os.Remove(filepath.Join(s.path, "pxelinux.cfg/conf/b")) })
	err := s.change(pxepilot.Deploy, "b", "h1", "h3")
	const message = `host "h1": the configuration went away during the deploy; nothing was switched`
	if pxepilot.ErrorCode(err) != pxepilot.Conflict || err.Error() != message {
		t.Errorf("%v", err)
	}
	diff(t, want, s.tree())
	v, err := s.View(context.Background(), s.inv)
	if _, there := v.Configuration("b"); there || err != nil {
		t.Errorf("the configuration is still listed: %v", err)
	}
}
