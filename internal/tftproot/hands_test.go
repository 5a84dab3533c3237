package tftproot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pgregory.net/rapid"
)

// What people do to a world: to the file, and to the root by hand.

// edit makes another inventory: hosts come, go and are renamed, MAC addresses
// move between them and change their order.
func (w *world) edit(t *rapid.T) {
	macs := rapid.Permutation([]string{mac1, mac2, mac3, mac33}).Draw(t, "mac addresses")
	hosts := []string{}
	for _, name := range rapid.Permutation([]string{"h1", "h2", "h3", "web"}).Draw(t, "names") {
		n := rapid.IntRange(0, min(3, len(macs))).Draw(t, "interfaces")
		if n == 0 {
			continue
		}
		spec := name + " serial:s" + name[1:] + " " + strings.Join(macs[:n], " ")
		if len(w.loaders) > 1 && rapid.Bool().Draw(t, "one loader only") {
			spec += " on:" + rapid.SampledFrom(w.loaders).Draw(t, "loader").Name
		}
		hosts, macs = append(hosts, spec), macs[n:]
	}
	w.inv = inventory(t, hosts...)
}

func (w *world) declare(t *rapid.T) {
	if w.shape.turn == nil {
		return
	}
	w.shape.turn(&w.opts)
	w.Root = w.fresh()
	if len(w.loaders) == 1 {
		w.edit(t) // hosts may have named the other loader
	}
}

// wait lets stamps get so old that what was seen is kept.
func (w *world) wait(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "patience") > 0 || w.away() {
		return
	}
	w.site.settle()
}

// aName draws a link's path below the root, of a host or of none.
func (w *world) aName(t *rapid.T) string {
	every := inventory(t, "h1 serial:s1 "+mac1, "h2 serial:s2 "+mac2, "h3 serial:s3 "+mac3+" "+mac33)
	var names []string
	for _, h := range every.Hosts() {
		names = append(names, w.names(h)...)
	}
	return rapid.SampledFrom(names).Draw(t, "name")
}

// put does what a person does to a name; what is there goes.
func (w *world) put(t *rapid.T, name string, do func(p string) error) {
	p := filepath.Join(w.path, name)
	if info, err := os.Stat(filepath.Dir(p)); err == nil && !info.IsDir() || os.MkdirAll(filepath.Dir(p), 0o755) != nil {
		return
	}
	if err := os.RemoveAll(p); err != nil {
		t.Fatal(err)
	}
	if err := do(p); err != nil {
		t.Fatal(err)
	}
}

// link is a person's "ln -sfn" to anything.
func (w *world) link(t *rapid.T) {
	name := w.aName(t)
	conf := filepath.Join(rapid.SampledFrom(w.loaders).Draw(t, "loader").directory, rapid.SampledFrom([]string{"a", "b", "c", "missing", ".hidden", "a~"}).Draw(t, "target"))
	rel, err := filepath.Rel(filepath.Dir(w.naive().placeOf(name)), filepath.Join(place(filepath.Dir(conf)), filepath.Base(conf)))
	if err != nil {
		t.Fatal(err)
	}
	text := rapid.SampledFrom([]string{
		rel, conf, "./" + rel, rel + "/", rel + "/.", rel + "/../a", "missing/../" + rel, strings.ReplaceAll(conf, "/", "//"),
		"default", "/etc/passwd", "../../../../../../../etc/passwd", ".", "..", "/", w.path, "../" + filepath.Base(w.path) + "/" + rel,
		strings.Repeat("x", 300), filepath.Base(name),
	}).Draw(t, "text")
	w.put(t, name, func(p string) error { return os.Symlink(text, p) })
}

// linkToHost makes a chain, or a circle: through a host's own links, or others'.
func (w *world) linkToHost(t *rapid.T) {
	name, to := w.aName(t), w.aName(t)
	rel, err := filepath.Rel(filepath.Dir(w.naive().placeOf(name)), w.naive().placeOf(to))
	if err != nil {
		t.Fatal(err)
	}
	text := rapid.SampledFrom([]string{rel, filepath.Join(w.path, to), ".//" + rel, rel + "/id"}).Draw(t, "text")
	w.put(t, name, func(p string) error { return os.Symlink(text, p) })
}

func (w *world) remove(t *rapid.T) {
	_ = os.RemoveAll(filepath.Join(w.path, w.aName(t)))
}

func (w *world) putFile(t *rapid.T) {
	directory := rapid.Bool().Draw(t, "directory")
	w.put(t, w.aName(t), func(p string) error {
		if directory {
			return os.Mkdir(p, 0o755)
		}
		return os.WriteFile(p, []byte("mine: "+filepath.Base(p)), 0o644)
	})
}

// changeConfiguration adds or removes a configuration, or makes it a link.
func (w *world) changeConfiguration(t *rapid.T) {
	l := rapid.IntRange(0, len(w.loaders)-1).Draw(t, "loader")
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "configuration")
	p := filepath.Join(w.loaders[l].directory, name)
	_ = os.RemoveAll(p)
	text := rapid.SampledFrom([]string{"", "file", "a", "b", "missing", "/etc/passwd", w.path + "/shared"}).Draw(t, "becomes")
	switch text {
	case "":
	case "file":
		w.configuration(l, name)
	default:
		writeFile(t, filepath.Join(w.path, "shared"), "shared")
		_ = os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.Symlink(text, p); err != nil {
			t.Fatal(err)
		}
	}
}

// moveLinks renames a directory of links, or of configurations, leaves a link in
// its place, or nothing.
func (w *world) moveLinks(t *rapid.T) {
	dirs := []string{}
	for _, l := range w.loaders {
		for _, d := range l.Dirs() {
			if d != "." {
				dirs = append(dirs, filepath.Join(w.path, d))
			}
		}
		dirs = append(dirs, l.directory)
	}
	dir := rapid.SampledFrom(dirs).Draw(t, "directory")
	if _, err := os.Lstat(dir); err != nil {
		return
	}
	to := filepath.Join(filepath.Dir(dir), fmt.Sprintf("moved%d", w.moved))
	w.moved++
	if os.Rename(dir, to) != nil {
		return
	}
	if rapid.IntRange(0, 3).Draw(t, "leave") > 0 {
		if err := os.Symlink(filepath.Base(to), dir); err != nil {
			t.Fatal(err)
		}
	}
}
