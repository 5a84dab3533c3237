package tftproot

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// A shape is a way to lay out a TFTP root.
type shape struct {
	name    string
	options func(dir string) Options // dir is empty
	turn    func(*Options)           // declares other loaders for the same root, or nil
}

var shapes = []shape{
	{name: "default", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/pxelinux.cfg/conf"}
	}},
	{name: "configurations beside the links", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/pxelinux.cfg"}
	}},
	{name: "two loaders", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/conf", Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}}
	}, turn: func(o *Options) {
		if o.Bootloaders == nil {
			o.Directory, o.Bootloaders = filepath.Dir(o.Directory), []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}
		} else {
			o.Directory, o.Bootloaders = filepath.Join(o.Directory, "pxelinux"), nil
		}
	}},
	{name: "two names for each MAC address", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/conf", Bootloaders: []pxepilot.Bootloader{
			{Name: "grub2", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/efi/grub.cfg-{mac:colon}"}},
		}}
	}},
	{name: "directories", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/conf", Bootloaders: []pxepilot.Bootloader{
			{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}, {Name: "pxelinux"},
		}}
	}},
	{name: "absolute", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/root/pxelinux.cfg/conf", Absolute: true}
	}},
	{name: "absolute, configurations outside", options: func(dir string) Options {
		return Options{Path: dir + "/root", Directory: dir + "/etc/conf", Absolute: true, Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "ipxe"}}}
	}},
	{name: "behind links", options: func(dir string) Options {
		for _, l := range [][2]string{{"real/tftp", dir + "/root"}, {"cfg/pxe", dir + "/real/tftp/pxelinux.cfg"}, {"../../data", dir + "/real/tftp/cfg/pxe/conf"}} {
			_ = os.MkdirAll(dir+"/real/tftp/cfg/pxe", 0o755)
			_ = os.MkdirAll(dir+"/real/tftp/data", 0o755)
			_ = os.Symlink(l[0], l[1])
		}
		return Options{Path: dir + "/root", Directory: dir + "/root/pxelinux.cfg/conf"}
	}},
}

// TestAnySequence does whatever people and programs do to a TFTP root, in any
// order, and looks after every step that View tells the truth, from the cache and
// anew, and that each operation kept its promise.
func TestAnySequence(t *testing.T) {
	base := fastDir(t)
	checks(t, 30, 1500)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		shape := shapes[rapid.IntRange(0, len(shapes)-1).Draw(t, "shape")]
		o := shape.options(dir)
		if err := os.MkdirAll(o.Path, 0o755); err != nil {
			t.Fatal(err)
		}
		w := &world{site: siteAt(t, o, []string{"a", "b", "c"}, "h1 serial:s1 "+mac1, "h2 serial:s2 "+mac2, "h3 serial:s3 "+mac3+" "+mac33), shape: shape}
		for _, h := range []string{"h1", "h2", "h3"} {
			if rapid.Bool().Draw(t, "begin deployed") {
				w.deploy("a", h)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":                w.check,
			"deploy":          w.deploySome,
			"deploy again":    w.deploySome,
			"clear":           w.clearSome,
			"repair":          w.repairSome,
			"edit the file":   w.edit,
			"link":            w.link,
			"link again":      w.link,
			"follow a host":   w.linkToHost,
			"remove":          w.remove,
			"put a file":      w.putFile,
			"configuration":   w.changeConfiguration,
			"move the links":  w.moveLinks,
			"wait":            w.wait,
			"declare loaders": w.declare,
		})
	})
}

// A world is a site with what people do to it.
type world struct {
	*site
	shape shape
	moved int // directories, so far
}

// check compares what View shows, from the cache and anew, with the judge.
func (w *world) check(t *rapid.T) {
	if w.away() {
		w.checkAway(t)
		return
	}
	j := w.naive()
	want := j.hosts()
	fresh, err := w.fresh().View(context.Background(), w.inv)
	if err != nil {
		t.Fatal(err)
	}
	cached := w.view()
	same := cmp.Comparer(func(a, b *pxepilot.Host) bool { return a == b })
	ignoring := cmpopts.IgnoreFields(pxepilot.Link{}, "Through")
	if d := cmp.Diff(want, fresh.Hosts, ignoring, same, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("-judged +seen:\n%s\n%v", d, w.tree())
	}
	if !reflect.DeepEqual(fresh.Hosts, cached.Hosts) || !reflect.DeepEqual(fresh.Configurations, cached.Configurations) {
		t.Fatalf("the cache lies: -fresh +cached:\n%s%s\n%v", cmp.Diff(fresh.Hosts, cached.Hosts, same), cmp.Diff(fresh.Configurations, cached.Configurations), w.tree())
	}
	var names []string
	for _, c := range fresh.Configurations {
		names = append(names, c.Name)
	}
	if d := cmp.Diff(j.configurations(), names, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("-judged +seen:\n%s", d)
	}
	for _, h := range fresh.Hosts {
		for _, l := range h.Links {
			if l.State == pxepilot.Configured && w.fetch(l.Path) != w.content(l.Bootloader, l.Configuration) {
				t.Fatalf("%s is said to lead to %s, and the kernel finds %q", l.Path, l.Configuration, w.fetch(l.Path))
			}
		}
	}
	if left := w.leftovers(); len(left) > 0 {
		t.Fatalf("left over: %v", left)
	}
}

// away says whether the configuration directory is, which may be all of the root.
func (w *world) away() bool {
	_, err := os.Stat(w.opts.Directory)
	return err != nil
}

// checkAway looks that nobody takes what is left for the root.
func (w *world) checkAway(t *rapid.T) {
	before := w.tree()
	_, err := w.View(context.Background(), w.inv)
	for _, err := range []error{err, w.change(pxepilot.Clear, "")} {
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Fatalf("without %s: %v", w.opts.Directory, err)
		}
	}
	if d := cmp.Diff(before, w.tree()); d != "" {
		t.Fatalf("a change without the configuration directory changed something: %s", d)
	}
}

// content is that of a configuration's variant.
func (w *world) content(bootloader, configuration string) string {
	for _, l := range w.loaders {
		if l.Name == bootloader {
			p := filepath.Join(l.directory, configuration)
			data, err := os.ReadFile(p)
			if err != nil {
				data, _ = os.ReadFile(filepath.Join(p, "id"))
			}
			return string(data)
		}
	}
	return ""
}

// some draws hosts that satisfy a condition.
func (w *world) some(t *rapid.T, fit func(*pxepilot.HostStatus) bool) []string {
	var names []string
	view := w.view()
	for i := range view.Hosts {
		if h := &view.Hosts[i]; fit(h) {
			names = append(names, h.Host.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID[string]).Draw(t, "hosts")
}

// blocked says whether a directory is in the way of a link, which nothing moves.
func (w *world) blocked(hosts []string) bool {
	for _, h := range hosts {
		for _, n := range w.names(w.host(h)) {
			if info, err := os.Lstat(filepath.Join(w.path, n)); err == nil && info.IsDir() {
				return true
			}
		}
	}
	return false
}

// move carries moves out and looks that nothing else changed: neither anything,
// where it failed, nor what the names of other hosts lead to.
func (w *world) move(t *rapid.T, want pxepilot.Want, configuration string, hosts []string) (before map[string]string, ok bool) {
	before, tree, blocked := w.fetchAll(), w.tree(), w.blocked(hosts)
	plan, err := w.Change(context.Background(), w.inv, true, func(*pxepilot.View) ([]pxepilot.Move, error) {
		return w.moves(want, configuration, hosts...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree, w.tree()); d != "" {
		t.Fatalf("a dry run changed something: %s", d)
	}
	steps, err := w.Change(context.Background(), w.inv, false, func(*pxepilot.View) ([]pxepilot.Move, error) {
		return w.moves(want, configuration, hosts...), nil
	})
	if blocked && pxepilot.ErrorCode(err) == pxepilot.Conflict {
		if d := cmp.Diff(tree, w.tree()); d != "" {
			t.Fatalf("%v; and yet: %s", err, d)
		}
		return nil, false
	}
	if err != nil {
		t.Fatalf("%v\n%v", err, w.tree())
	}
	for i := range plan {
		if plan[i].Keep != "" {
			plan[i].Keep, steps[i].Keep = "x", "x" // the second of the day may differ
		}
	}
	if d := cmp.Diff(plan, steps); d != "" {
		t.Fatalf("-dry run +run: %s", d)
	}
	for name, content := range w.fetchAll() {
		if content != before[name] && !slices.Contains(hosts, w.hostOf(name)) {
			t.Fatalf("%s belongs to %s, which was not to change: %q became %q\n%v", name, w.hostOf(name), before[name], content, w.tree())
		}
	}
	return before, true
}

func (w *world) hostOf(name string) string {
	for _, h := range w.inv.Hosts() {
		if slices.Contains(w.names(h), name) {
			return h.Name
		}
	}
	return ""
}

func (w *world) deploySome(t *rapid.T) {
	if w.away() || len(w.view().Configurations) == 0 {
		return
	}
	view := w.view()
	c := rapid.SampledFrom(view.Configurations).Draw(t, "configuration")
	force := rapid.Bool().Draw(t, "force")
	hosts := w.some(t, func(h *pxepilot.HostStatus) bool { return force || h.State != pxepilot.Unmanaged })
	if _, ok := w.move(t, pxepilot.Deploy, c.Name, hosts); !ok {
		return
	}
	for _, name := range hosts {
		h := w.view().Of(w.host(name))
		for _, l := range h.Links {
			_, err := os.Lstat(filepath.Join(w.path, l.Path))
			switch {
			case !c.Covers(l.Bootloader) && !os.IsNotExist(err):
				t.Fatalf("%s has no variant for %s, and %s is still there", c.Name, l.Bootloader, l.Path)
			case c.Covers(l.Bootloader) && w.fetch(l.Path) != w.content(l.Bootloader, c.Name):
				t.Fatalf("%s was deployed, and the kernel finds %q at %s", c.Name, w.fetch(l.Path), l.Path)
			}
		}
		if !h.Canonical {
			t.Fatalf("not in shape after a deploy: %+v", h)
		}
	}
}

func (w *world) clearSome(t *rapid.T) {
	if w.away() {
		return
	}
	hosts := w.some(t, func(h *pxepilot.HostStatus) bool { return h.State != pxepilot.Unmanaged })
	if _, ok := w.move(t, pxepilot.Clear, "", hosts); !ok {
		return
	}
	for _, h := range hosts {
		for _, n := range w.names(w.host(h)) {
			if _, err := os.Lstat(filepath.Join(w.path, n)); !os.IsNotExist(err) {
				t.Fatalf("%s is still there after a clear", n)
			}
		}
	}
}

// repairSome repairs hosts whose links tell what they should boot.
func (w *world) repairSome(t *rapid.T) {
	if w.away() {
		return
	}
	hosts := w.some(t, func(h *pxepilot.HostStatus) bool {
		to := map[string]bool{}
		for _, l := range h.Links {
			if l.State != pxepilot.None {
				to[l.Configuration] = true
			}
		}
		return len(to) == 1 && !to[""]
	})
	missing := map[string]bool{}
	view := w.view()
	for i := range view.Hosts {
		for _, l := range view.Hosts[i].Links {
			missing[l.Path] = l.State == pxepilot.None
		}
	}
	before, ok := w.move(t, pxepilot.Repair, "", hosts)
	if !ok {
		return
	}
	for name, content := range w.fetchAll() {
		if content != before[name] && !missing[name] {
			t.Fatalf("a repair changed %s from %q to %q", name, before[name], content)
		}
	}
	for _, name := range hosts {
		if h := w.view().Of(w.host(name)); !h.Canonical {
			t.Fatalf("not in shape after a repair: %+v", h)
		}
	}
}
