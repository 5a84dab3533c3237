package lab

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// archive packs files, all of which may be run, by their paths; paths that end
// with a slash are empty directories. Its form is what kernels take as an
// initramfs: "newc" of Documentation/driver-api/early-userspace/buffer-format.rst.
func archive(files map[string][]byte) []byte {
	var b bytes.Buffer
	entries := 0
	add := func(name string, mode int, data []byte) {
		entries++
		// Number of the inode, mode, owner, group, links, time, size, the numbers of two
		// devices, length of the name with its zero, and a sum that is not used.
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			entries, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
		pad(&b)
		b.Write(data)
		pad(&b)
	}
	var directories []string
	for name := range files {
		for d := path.Dir(name); d != "."; d = path.Dir(d) {
			directories = append(directories, d)
		}
	}
	slices.Sort(directories) // which puts each behind the one that it is in
	for _, d := range slices.Compact(directories) {
		add(d, 0o040755, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, "/") {
			add(name, 0o100755, files[name])
		}
	}
	add("TRAILER!!!", 0, nil)
	return b.Bytes()
}

// pad goes on to where the next part may begin.
func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
