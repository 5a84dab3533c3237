package tftproot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// cutOff is a scenario's story, and its site as a crash leaves it right before
// the first call that says so.
func cutOff(t *testing.T, name string, at func(o op) bool) *story {
	t.Helper()
	sc := scenarios[slices.IndexFunc(scenarios, func(sc scenario) bool { return sc.name == name })]
	st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
	n := slices.IndexFunc(st.ops, at)
	after(st.begin, st.ops[:n], everything).write(t, st.path)
	return st
}

func switching(o op) bool { return o.call == "rename" && !strings.HasPrefix(o.to, ".") }

// told starts anew and returns the log.
func (st *story) told(r *Root) string {
	st.t.Helper()
	var log bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	if err := r.Recover(context.Background()); err != nil {
		st.t.Fatal(err)
	}
	return log.String()
}

func TestAStartOnACleanRootDoesNothing(t *testing.T) {
	st := cutOff(t, "redeploy", func(op) bool { return true })
	rec := record(st.Root)
	if log := st.told(st.Root); log != "" || len(rec.ops) > 0 {
		t.Errorf("%s%v", log, rec.ops)
	}
}

// TestTheNextChangeResolvesFirst: a server need not have been started in between,
// for it may be another process that died.
func TestTheNextChangeResolvesFirst(t *testing.T) {
	st := cutOff(t, "redeploy", switching)
	diff(t, "h1=a h2=a h3=a h4=(none)", st.states())
	st.deploy("a", "h4")
	diff(t, "h1=b h2=b h3=b h4=a", st.states())
}

// TestARecoveryThatFailedIsDoneLater: the root was away when the server started.
func TestARecoveryThatFailedIsDoneLater(t *testing.T) {
	for _, name := range []string{"a plan", "temporary links alone"} {
		st := cutOff(t, "redeploy", func(o op) bool { return o.call == "create" && name != "a plan" || name == "a plan" && switching(o) })
		if len(st.leftovers()) == 0 {
			t.Fatal("the crash left nothing")
		}
		if err := os.Rename(st.path, st.path+".away"); err != nil {
			t.Fatal(err)
		}
		r := st.fresh()
		if err := r.Recover(context.Background()); pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != "the TFTP root: no such file or directory" {
			t.Errorf("%v", err)
		}
		if err := os.Rename(st.path+".away", st.path); err != nil {
			t.Fatal(err)
		}
		st.Root = r
		st.deploy("a", "h4")
		diff(t, []string(nil), st.leftovers())
		want := "h1=b h2=b h3=b h4=a"
		if name != "a plan" {
			want = "h1=a h2=a h3=a h4=a"
		}
		diff(t, want, st.states())
	}
}

// TestRecoverTellsWhy: its errors are for the log, and for whoever asks for a
// change meanwhile.
func TestRecoverTellsWhy(t *testing.T) {
	st := cutOff(t, "redeploy", switching)
	torn := func() { st.write(planName, "F torn\n") }
	for _, tt := range []struct {
		before func()
		call   string
		want   string
	}{
		{func() {}, "rename", "the change that was cut off cannot be resolved: host \"h1\": pxelinux.cfg/" + lnk1 + " cannot be switched: input/output error; nothing was switched"},
		{func() { torn(); st.symlink("conf/a", "pxelinux.cfg/.pxe-pilot.0a1b2c3d."+lnk1) }, "unlink", "temporary link .pxe-pilot.0a1b2c3d." + lnk1 + " in directory pxelinux.cfg: "},
		{func() { torn(); st.recover(); torn() }, "unlink", thePlan + " cannot be removed: input/output error"},
	} {
		tt.before()
		r := st.fresh()
		record(r).before = func(_ int, o op) error {
			if o.call == tt.call {
				return syscall.EIO
			}
			return nil
		}
		err := r.Recover(context.Background())
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

// TestTheConfigurationGoesAfterACrash: the host stays at the old one.
func TestTheConfigurationGoesAfterACrash(t *testing.T) {
	st := cutOff(t, "redeploy", func(o op) bool { return o.call == "rename" && o.to == lnk2 })
	_ = os.Remove(st.path + "/pxelinux.cfg/conf/b")
	log := st.told(st.fresh())
	if !strings.Contains(log, "a configuration went away after a change was cut off; the host's link stays as it is") || !strings.Contains(log, "host=h2") {
		t.Errorf("%s", log)
	}
	diff(t, "h1=(dangling)* h2=a h3=a h4=(none)", st.states())
	diff(t, []string(nil), st.leftovers())
}

// TestOtherLoadersAfterACrash: a plan is carried out, though the file declares
// other loaders meanwhile.
func TestOtherLoadersAfterACrash(t *testing.T) {
	st := cutOff(t, "two loaders", switching)
	o := st.site.opts
	o.Bootloaders = []pxepilot.Bootloader{{Name: "ipxe"}}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	st.told(r)
	for name, content := range st.fetchAll() {
		if content != st.new[name] {
			t.Errorf("%s gives %q", name, content)
		}
	}
	diff(t, []string(nil), st.leftovers())
}

// TestTheRootIsRenamedAfterACrash, and the file follows.
func TestTheRootIsRenamedAfterACrash(t *testing.T) {
	for _, name := range []string{"two loaders", "two loaders, directories missing", "clear by force"} {
		st := cutOff(t, name, switching)
		if err := os.Rename(st.path, st.path+"2"); err != nil {
			t.Fatal(err)
		}
		st.site.opts.Directory = strings.Replace(st.site.opts.Directory, st.path, st.path+"2", 1)
		st.path += "2"
		st.site.opts.Path = st.path
		st.told(st.fresh())
		for name, content := range st.fetchAll() {
			if content != st.new[name] {
				t.Errorf("%s gives %q", name, content)
			}
		}
	}
}

// TestTheKeptFileGoesAfterACrash: there is nothing to put back.
func TestTheKeptFileGoesAfterACrash(t *testing.T) {
	st := cutOff(t, "force", func(o op) bool { return o.call == "unlink" && o.to == planName })
	plan, _ := os.ReadFile(filepath.Join(st.path, planName))
	plan[0] = planBack
	st.write(planName, string(plan))
	kept, _ := filepath.Glob(st.path + "/pxelinux.cfg/" + lnk1 + ".orig-*")
	if len(kept) != 1 || os.Remove(kept[0]) != nil {
		t.Fatalf("%v", kept)
	}
	log := st.told(st.fresh())
	if !strings.Contains(log, "the file that a link took the place of went away") {
		t.Errorf("%s", log)
	}
	tree := st.tree()
	diff(t, []string{"conf/b", "-"}, []string{tree["pxelinux.cfg/"+lnk1], tree["pxelinux.cfg/"+lnk33]})
}

func TestAPlanOfAnotherVersion(t *testing.T) {
	st := cutOff(t, "redeploy", switching)
	data, err := os.ReadFile(filepath.Join(st.path, planName))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(data), "\n")
	st.write(planName, sealed(planForward, strings.Replace(body, `"version":1`, `"version":2`, 1)))
	before := st.tree()
	const want = "the plan " + planName + " in the TFTP root: it is of version 2, and this program knows version 1; start the program that wrote it once"
	for _, err := range []error{st.fresh().Recover(context.Background()), st.change(pxepilot.Deploy, "a", "h1")} {
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	diff(t, before, st.tree())
}

// TestWhatIsNoPlan has the name of one: it neither holds anything up nor goes.
func TestWhatIsNoPlan(t *testing.T) {
	const (
		notRegular = "it is not a regular file, and so not a plan of this program; move it away"
		tooLong    = "it is larger than any plan of this program; move it away"
	)
	for _, tt := range []struct {
		name string
		make func(p string) error
		want string
	}{
		{"a FIFO", func(p string) error { return unix.Mkfifo(p, 0o600) }, notRegular},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o755) }, notRegular},
		{"a link", func(p string) error { return os.Symlink("/dev/zero", p) }, notRegular},
		{"a socket", func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o600, 0) }, notRegular},
		{"a huge file", func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<40)) }, tooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{Path: openRoot(t)}, []string{"a"}, "h1 "+mac1)
			if err := tt.make(filepath.Join(s.path, planName)); err != nil {
				t.Fatal(err)
			}
			before := s.tree()
			for _, err := range []error{s.Recover(context.Background()), s.change(pxepilot.Deploy, "a", "h1")} {
				if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != thePlan+": "+tt.want {
					t.Errorf("%v", err)
				}
			}
			diff(t, []string{"error: " + planName + ": " + tt.want + "; changes are refused until then"}, s.findings())
			diff(t, before, s.tree())
		})
	}
}

// TestAPlanIsNeverTooLargeToBeRead: a change that would make such a one is refused.
func TestAPlanIsNeverTooLargeToBeRead(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.maxPlan = 300
	s.refused(pxepilot.TooLarge, "the change is too large (3 steps); make it in parts, of fewer hosts each; nothing was switched",
		func() error { return s.change(pxepilot.Deploy, "a", "h1", "h3") },
		func() error { s.maxPlan = maxPlan; return nil })
}

// TestSweepLeavesOthersAlone: only links are ours.
func TestSweepLeavesOthersAlone(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.write("pxelinux.cfg/.pxe-pilot.notes", "theirs")
	s.symlink("conf/a", "pxelinux.cfg/.pxe-pilot.0a1b2c3d."+lnk1)
	s.recover()
	diff(t, []string{"pxelinux.cfg/.pxe-pilot.notes"}, s.leftovers())
}

// TestClearsGoFurtherMACsFirst, so that none of them ever dangles.
func TestClearsGoFurtherMACsFirst(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h3")
	rec := record(s.Root)
	s.clear("h3")
	var order []string
	for _, o := range rec.ops {
		if o.call == "rename" {
			order = append(order, o.from)
		}
	}
	diff(t, []string{lnk33, lnk3}, order)
}

// TestThePlanGoesDurably: were it there again after a power cut, it would be
// carried out over what was done since.
func TestThePlanGoesDurably(t *testing.T) {
	for _, sc := range scenarios {
		st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
		diff(t, []string{"unlink " + planName, "sync ."}, []string{
			st.ops[len(st.ops)-2].call + " " + st.ops[len(st.ops)-2].to,
			st.ops[len(st.ops)-1].call + " " + st.ops[len(st.ops)-1].dir,
		})
	}
}

// TestLinksOutsideTheRootAfterACrash: with absolute links, the directory of links
// may be where the configurations are.
func TestLinksOutsideTheRootAfterACrash(t *testing.T) {
	dir := fastDir(t)
	o := Options{Path: dir + "/root", Directory: dir + "/etc", Absolute: true}
	s := siteAt(t, o, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.symlink(dir+"/etc", "pxelinux.cfg")
	s.deploy("a", "h1", "h3")
	type death struct{}
	rec := record(s.Root)
	rec.before = func(_ int, o op) error {
		if o.call == "rename" && o.from != "" && o.to == lnk3 {
			panic(death{})
		}
		return nil
	}
	func() {
		defer func() {
			if recover() != (death{}) {
				t.Fatal("it did not die")
			}
		}()
		_ = s.change(pxepilot.Deploy, "b", "h1", "h3")
	}()
	diff(t, "h1=b h3=a", s.states())
	s.recover()
	diff(t, "h1=b h3=b", s.states())
	diff(t, []string(nil), s.leftovers())
}
