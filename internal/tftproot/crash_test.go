package tftproot

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A scenario is a change, with the site that it finds.
type scenario struct {
	name  string
	opts  Options // paths are filled in
	setup func(s *site)
	want  pxepilot.Want
	conf  string
	who   []string
}

var twoLoaders = []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}

var scenarios = []scenario{
	{name: "first deploy", conf: "b", who: []string{"h1", "h3"}},
	{name: "redeploy", conf: "b", who: []string{"h1", "h2", "h3"}, setup: func(s *site) { s.deploy("a", "h1", "h2", "h3") }},
	{name: "adoption", conf: "b", who: []string{"h1", "h3", "h4"}, setup: func(s *site) {
		s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk1)
		s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk3)
		s.symlink(s.path+"/pxelinux.cfg/"+lnk3, "pxelinux.cfg/"+lnk33)
		s.symlink("01-00-00-00-00-00-44", "pxelinux.cfg/01-00-00-00-00-00-04")
		s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-00-44")
	}},
	{name: "repair", want: pxepilot.Repair, who: []string{"h3", "h4"}, setup: func(s *site) {
		s.symlink("conf/a", "pxelinux.cfg/"+lnk33)
		s.symlink("01-00-00-00-00-00-44", "pxelinux.cfg/01-00-00-00-00-00-04")
		s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-00-44")
	}},
	{name: "detaching", conf: "b", who: []string{"h1"}, setup: func(s *site) {
		s.deploy("a", "h1")
		s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
	}},
	{name: "clear", want: pxepilot.Clear, who: []string{"h1", "h3"}, setup: func(s *site) { s.deploy("a", "h1", "h3") }},
	{name: "force", conf: "b", who: []string{"h1", "h3"}, setup: func(s *site) {
		s.write("pxelinux.cfg/"+lnk1, "mine")
		s.write("pxelinux.cfg/"+lnk33, "mine, too")
	}},
	{name: "clear by force", want: pxepilot.Clear, who: []string{"h1", "h3"}, setup: func(s *site) {
		s.deploy("a", "h3")
		s.write("pxelinux.cfg/"+lnk1, "mine")
	}},
	{name: "two loaders, directories missing", opts: Options{Bootloaders: twoLoaders}, conf: "b", who: []string{"h1", "h3"}},
	{name: "two loaders", opts: Options{Bootloaders: twoLoaders}, conf: "b", who: []string{"h1", "h3"}, setup: func(s *site) { s.deploy("a", "h1", "h3") }},
	{name: "two loaders, one uncovered", opts: Options{Bootloaders: twoLoaders}, conf: "b", who: []string{"h1", "h3"}, setup: func(s *site) {
		s.deploy("a", "h1", "h3")
		_ = os.Remove(filepath.Join(s.loaders[1].directory, "b"))
	}},
	{name: "links of one host in two directories", opts: Options{Bootloaders: []pxepilot.Bootloader{{Name: "x", Links: []string{"x/{mac}", "y/{mac}"}}}},
		conf: "b", who: []string{"h1", "h3"}, setup: func(s *site) { s.deploy("a", "h1", "h3") }},
}

// start makes the site of a scenario in a directory.
func (sc scenario) start(t tb, root string) *site {
	t.Helper()
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	o := sc.opts
	o.Path = root
	if o.Bootloaders != nil {
		o.Directory = root + "/conf"
	}
	s := siteAt(t, o, []string{"a", "b"}, "h1 "+mac1, "h2 "+mac2, "h3 "+mac3+" "+mac33, "h4 00:00:00:00:00:04 00:00:00:00:00:44")
	if sc.setup != nil {
		sc.setup(s)
	}
	return s
}

func (sc scenario) run(s *site) error { return s.change(sc.want, sc.conf, sc.who...) }

// A story is what a change, or a recovery, did to the disk.
type story struct {
	*site
	scenario
	old, new map[string]string // what each name of a host gives, before and when all is done
	whole    []string          // hosts that switch as a whole
	begin    disk
	end      disk
	ops      []op
}

// tell runs a scenario once. fail may make it end in undoing.
func (sc scenario) tell(t tb, root string, fail func(n int, o op) error) *story {
	t.Helper()
	s := sc.start(t, root)
	st := &story{site: s, scenario: sc, begin: readDisk(t, root), old: s.fetchAll()}
	for _, h := range s.view().Hosts {
		if sc.want == pxepilot.Deploy && len(s.loaders) == 1 && h.Canonical && h.State == pxepilot.Configured {
			st.whole = append(st.whole, h.Host.Name)
		}
	}
	if err := sc.run(s); err != nil {
		t.Fatal(err)
	}
	st.new, st.end = s.fetchAll(), readDisk(t, root)
	st.begin.write(t, root)
	s.Root = s.fresh()
	rec := record(s.Root)
	rec.before = fail
	if err := sc.run(s); (err != nil) != (fail != nil) {
		t.Fatal(err)
	}
	st.ops = rec.ops
	return st
}

// after is the disk after a crash: of the first n ops those are kept that keep
// says, which is given the ops in order and whether each was made to last.
func after(begin disk, ops []op, keep func(i int, synced bool) bool) disk {
	d := begin.clone()
	lost := map[string]bool{} // directories that lost an op lose all that follow
	for i, o := range ops {
		synced := slices.ContainsFunc(ops[i:], func(later op) bool { return later.call == "sync" && later.dir == o.dir })
		// What overwrite writes it has synced itself.
		if o.call != "overwrite" && (lost[o.dir] || !keep(i, synced)) {
			lost[o.dir] = true
			continue
		}
		if _, there := d[filepath.Join(o.dir, o.to)]; o.call == "overwrite" && !there {
			continue
		}
		d.do(o, uint64(1<<40+i))
	}
	return d
}

func (d disk) clone() disk {
	c := disk{}
	for p, n := range d {
		c[p] = n
	}
	return c
}

func everything(int, bool) bool          { return true }
func onlySynced(_ int, synced bool) bool { return synced }

// judge looks at a disk after a crash, starts the program on it and looks again.
// It returns what the recovery did.
func (st *story) judge(t tb, d disk, n int, undone bool) []op {
	t.Helper()
	d.write(t, st.path)
	plan, planned := d[planName]
	wholePlan := planned && slices.ContainsFunc(st.ops, func(o op) bool { return o.call == "create" && o.text[1:] == plan.text[1:] })
	st.eachWhole(t, "after the crash")
	want := st.old
	gone := slices.IndexFunc(st.ops[:n], func(o op) bool { return o.call == "unlink" && o.to == planName }) >= 0
	switch {
	case undone && (gone || !planned), wholePlan && plan.text[0] == planBack:
	case wholePlan, gone:
		want = st.new
	}
	r := st.fresh()
	rec := record(r)
	if err := r.Recover(context.Background()); err != nil {
		t.Fatalf("after %d ops: %v\n%v\n%v", n, err, d, treeOf(t, st.path))
	}
	if got := st.fetchAll(); !mapsEqual(got, want) {
		t.Fatalf("after %d of %v\nleft  %v\nwant  %v\ngot   %v\ntree  %v", n, st.ops, d, want, got, st.tree())
	}
	if left := st.leftovers(); len(left) > 0 {
		t.Fatalf("after %d ops, left over: %v", n, left)
	}
	if kept := keptFiles(st.begin, readDisk(t, st.path)); !kept {
		t.Fatalf("after %d ops a file was lost, or has two names: %v", n, st.tree())
	}
	return rec.ops
}

// eachWhole looks that every name gives what it gave or will give, and that
// hosts in canonical shape are wholly old or wholly new.
func (st *story) eachWhole(t tb, when string) {
	t.Helper()
	got := st.fetchAll()
	for name, content := range got {
		if content != st.old[name] && content != st.new[name] {
			t.Fatalf("%s %s gives %q, neither %q nor %q\n%v", when, name, content, st.old[name], st.new[name], st.tree())
		}
	}
	for _, h := range st.whole {
		isOld, isNew := true, true
		for _, n := range st.names(st.host(h)) {
			isOld, isNew = isOld && got[n] == st.old[n], isNew && got[n] == st.new[n]
		}
		if !isOld && !isNew {
			t.Fatalf("%s host %s is neither old nor new: %v", when, h, st.tree())
		}
	}
}

func mapsEqual(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// keptFiles says whether every file that was there before is still there, once.
func keptFiles(before, now disk) bool {
	count := func(d disk) map[string]int {
		c := map[string]int{}
		for _, n := range d {
			if n.mode == 0 {
				c[n.text]++
			}
		}
		return c
	}
	was, is := count(before), count(now)
	for text, n := range was {
		if is[text] != n {
			return false
		}
	}
	return len(was) == len(is)
}

// TestCrash cuts every change off after every one of its calls, keeps everything,
// or only what was synced, or of each directory a part, and starts again; then
// the same with the recovery itself.
func TestCrash(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
			st.crashAnywhere(t, false)
		})
	}
}

// TestCrashWhileUndoing is TestCrash for changes that fail: at their last rename,
// and when everything was switched.
func TestCrashWhileUndoing(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			root := filepath.Join(fastDir(t), "root")
			ops := sc.tell(t, root, nil).ops
			plan := slices.IndexFunc(ops, func(o op) bool { return o.call == "create" })
			last, synced := 0, 0
			for i, o := range ops {
				if o.call == "rename" {
					last = i
				}
				if o.call == "sync" && i > plan+1 && synced == 0 {
					synced = i
				}
			}
			for _, at := range []int{last, synced} {
				st := sc.tell(t, root, func(n int, _ op) error {
					if n == at {
						return syscall.EIO
					}
					return nil
				})
				st.crashAnywhere(t, true)
			}
		})
	}
}

func (st *story) crashAnywhere(t *testing.T, undone bool) {
	for n := range len(st.ops) + 1 {
		for _, keep := range []func(int, bool) bool{everything, onlySynced} {
			d := after(st.begin, st.ops[:n], keep)
			recovery := st.judge(t, d, n, undone)
			if !deep(n) {
				continue
			}
			// The recovery is cut off, too.
			for m := range recovery {
				for _, keep := range []func(int, bool) bool{everything, onlySynced} {
					st.judgeAgain(t, d, after(d, recovery[:m], keep), n, undone)
				}
			}
		}
	}
	checks(t, 20, 3000)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, len(st.ops)).Draw(t, "ops")
		d := after(st.begin, st.ops[:n], partly(t))
		if plan, ok := d[planName]; ok && rapid.Bool().Draw(t, "torn") && n > 0 && st.ops[n-1].call == "create" {
			plan.text = plan.text[:rapid.IntRange(1, len(plan.text)-1).Draw(t, "length")]
			d[planName] = plan
		}
		for again := rapid.IntRange(0, 3).Draw(t, "crashes of the recovery"); ; again-- {
			recovery := st.judge(t, d, n, undone)
			if again == 0 {
				return
			}
			m := rapid.IntRange(0, len(recovery)).Draw(t, "its ops")
			next := after(d, recovery[:m], partly(t))
			if _, planned := next[planName]; !planned {
				st.judgeAgain(t, d, next, n, undone)
				return
			}
			d = next
		}
	})
}

// deep says whether recoveries after n ops are cut off, too, after each of their
// calls: in the long version all of them.
func deep(n int) bool { return n%9 == 7 || testenv.Soak() }

// judgeAgain judges a disk on which a recovery was cut off. Where that had come
// to its end, the plan is gone, and what it did must be there.
func (st *story) judgeAgain(t tb, first, d disk, n int, undone bool) {
	t.Helper()
	if _, planned := d[planName]; planned {
		st.judge(t, d, n, undone)
		return
	}
	_, planned := first[planName]
	first.write(t, st.path)
	st.recover()
	want := st.fetchAll()
	d.write(t, st.path)
	if got := st.fetchAll(); planned && !mapsEqual(got, want) {
		t.Fatalf("the recovery took the plan away before it had done it: %v", st.tree())
	}
	st.recover()
	if got := st.fetchAll(); !mapsEqual(got, want) {
		t.Fatalf("want %v\ngot %v", want, got)
	}
	if left := st.leftovers(); len(left) > 0 {
		t.Fatalf("left over: %v", left)
	}
}

// partly keeps of each directory what was synced and, of what was not, as much
// as is drawn.
func partly(t *rapid.T) func(int, bool) bool {
	return func(_ int, synced bool) bool { return synced || rapid.IntRange(0, 3).Draw(t, "keep") > 0 }
}

// TestHandsAfterACrash: what somebody changed between a crash and the next start
// stays, and is told; everything else is resolved.
func TestHandsAfterACrash(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			st := sc.tell(t, filepath.Join(fastDir(t), "root"), nil)
			names := st.names(st.host(sc.who[0]))
			for n := range st.ops {
				d := after(st.begin, st.ops[:n], everything)
				if plan, ok := d[planName]; !ok || plan.text == "" {
					continue
				}
				d.write(t, st.path)
				for _, name := range names {
					writeFile(t, filepath.Join(st.path, filepath.Dir(name), "theirs"), "theirs")
					st.symlink("theirs", name)
				}
				var told bytes.Buffer
				r := st.fresh()
				r.log = slog.New(slog.NewTextHandler(&told, nil))
				if err := r.Recover(context.Background()); err != nil {
					t.Fatal(err)
				}
				for name, content := range st.fetchAll() {
					want := st.new[name]
					if slices.Contains(names, name) {
						want = "theirs"
						if strings.Contains(d[planName].text, name) && (!strings.Contains(told.String(), "changed by hand") || !strings.Contains(told.String(), name)) {
							t.Fatalf("nobody was told of %s: %s", name, told.String())
						}
					}
					if content != want {
						t.Fatalf("after %d ops %s gives %q, want %q: %v", n, name, content, want, st.tree())
					}
				}
				if left := st.leftovers(); len(left) > 0 {
					t.Fatalf("left over: %v", left)
				}
			}
		})
	}
}
