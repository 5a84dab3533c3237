package tftproot

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
)

// A disk is a TFTP root as a value: every path below it, with what is there.
type disk map[string]node

// A node is a link, a file or a directory. Two names of one file share its ino.
type node struct {
	mode fs.FileMode // of its type
	text string      // of a link, or the content of a file
	ino  uint64      // of a file
}

func readDisk(t tb, root string) disk {
	t.Helper()
	d := disk{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		n := node{mode: e.Type()}
		switch n.mode {
		case fs.ModeSymlink:
			n.text, err = os.Readlink(p)
		case 0:
			var data []byte
			data, err = os.ReadFile(p)
			info, _ := e.Info()
			n.text, n.ino = string(data), info.Sys().(*syscall.Stat_t).Ino
		}
		d[rel] = n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// write makes a directory what d says, from nothing.
func (d disk) write(t tb, root string) {
	t.Helper()
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	first := map[uint64]string{}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		n, p := d[name], filepath.Join(root, name)
		var err error
		switch {
		case n.mode == fs.ModeDir:
			err = os.MkdirAll(p, 0o755)
		case n.mode == fs.ModeSymlink:
			err = os.Symlink(n.text, p)
		case first[n.ino] != "":
			err = os.Link(first[n.ino], p)
		default:
			first[n.ino] = p
			err = os.WriteFile(p, []byte(n.text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// An op is one call that changed the disk, or made changes last.
type op struct {
	call     string
	dir      string // where it happened
	from, to string // names in there
	text     string
}

// do carries an op out. One in a directory that is not there goes with it.
func (d disk) do(o op, ino uint64) {
	if n, ok := d[o.dir]; o.dir != "." && (!ok || n.mode != fs.ModeDir) {
		return
	}
	from, to := path.Join(o.dir, o.from), path.Join(o.dir, o.to)
	switch o.call {
	case "symlink":
		d[to] = node{mode: fs.ModeSymlink, text: o.text}
	case "link":
		d[to] = d[from]
	case "rename":
		d[to] = d[from]
		delete(d, from)
	case "unlink":
		delete(d, to)
	case "rmdir": // and what in there was removed before, but not made to last
		maps.DeleteFunc(d, func(p string, _ node) bool { return within(to, p) })
	case "mkdir":
		d[to] = node{mode: fs.ModeDir}
	case "create":
		d[to] = node{text: o.text, ino: ino}
	case "overwrite":
		n := d[to]
		n.text = o.text + n.text[len(o.text):]
		d[to] = n
	}
}

// A recorder is sys that notes what it is asked for, and may answer in place of
// the kernel.
type recorder struct {
	kernel sys
	ops    []op
	// before is asked before a call; where it returns an error, that is the answer.
	before func(n int, o op) error
	// after is told of a call that was carried out; its error is the answer.
	after func(n int, o op) error
}

func record(r *Root) *recorder {
	rec := &recorder{kernel: kernel{}}
	r.sys = rec
	return rec
}

func (r *recorder) do(o op, call func() error) error {
	n := len(r.ops)
	if r.before != nil {
		if err := r.before(n, o); err != nil {
			r.ops = append(r.ops, op{call: "refused"})
			return err
		}
	}
	r.ops = append(r.ops, o)
	if err := call(); err != nil {
		r.ops[n].call = "failed"
		return err
	}
	if r.after != nil {
		return r.after(n, o)
	}
	return nil
}

func (r *recorder) symlink(text string, d *dir, name string) error {
	return r.do(op{call: "symlink", dir: d.path, to: name, text: text}, func() error { return r.kernel.symlink(text, d, name) })
}

func (r *recorder) link(d *dir, from, to string) error {
	return r.do(op{call: "link", dir: d.path, from: from, to: to}, func() error { return r.kernel.link(d, from, to) })
}

func (r *recorder) rename(d *dir, from, to string) error {
	return r.do(op{call: "rename", dir: d.path, from: from, to: to}, func() error { return r.kernel.rename(d, from, to) })
}

func (r *recorder) renameNew(d *dir, from, to string) error {
	return r.do(op{call: "rename", dir: d.path, from: from, to: to}, func() error { return r.kernel.renameNew(d, from, to) })
}

func (r *recorder) unlink(d *dir, name string) error {
	return r.do(op{call: "unlink", dir: d.path, to: name}, func() error { return r.kernel.unlink(d, name) })
}

func (r *recorder) mkdir(d *dir, name string) (f *os.File, err error) {
	err = r.do(op{call: "mkdir", dir: d.path, to: name}, func() error {
		f, err = r.kernel.mkdir(d, name)
		return err
	})
	return f, err
}

func (r *recorder) rmdir(d *dir, name string) error {
	return r.do(op{call: "rmdir", dir: d.path, to: name}, func() error { return r.kernel.rmdir(d, name) })
}

func (r *recorder) create(d *dir, name string, data []byte) error {
	return r.do(op{call: "create", dir: d.path, to: name, text: string(data)}, func() error { return r.kernel.create(d, name, data) })
}

func (r *recorder) overwrite(d *dir, name string, data []byte) error {
	return r.do(op{call: "overwrite", dir: d.path, to: name, text: string(data)}, func() error { return r.kernel.overwrite(d, name, data) })
}

func (r *recorder) sync(d *dir) error {
	return r.do(op{call: "sync", dir: d.path}, func() error { return r.kernel.sync(d) })
}
