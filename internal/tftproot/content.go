package tftproot

import (
	"fmt"
	"io"
	"os"
	"path"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A content is what a machine gets, or why it is not shown.
type content struct {
	text string
	why  string
}

// content reads a file at an absolute path, once. What is outside of the root is not
// shown.
func (e *explainer) content(l int, end string) content {
	if e.root.loaders[l].Directory {
		end = path.Dir(end)
	}
	if c, ok := e.contents[end]; ok {
		return c
	}
	c := content{}
	if tree, rel, ok := e.mapAbsolute(end); !ok {
		c.why = "is outside of the TFTP root"
	} else if f, err := e.trees[tree].OpenFile(rel, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		c.why = "cannot be read: " + plain(err).Error()
	} else {
		c = contentOf(f)
		_ = f.Close()
	}
	e.contents[end] = c
	return c
}

func contentOf(f *os.File) content {
	info, err := f.Stat()
	if err != nil {
		return content{why: "cannot be read: " + plain(err).Error()}
	}
	if info.IsDir() {
		entries, _ := f.ReadDir(-1)
		return content{text: listing(entries)}
	}
	if !info.Mode().IsRegular() {
		return content{why: "is not a regular file"}
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxContent+1))
	c := content{}
	switch {
	case err != nil:
		c.why = "cannot be read: " + plain(err).Error()
	case len(data) > MaxContent:
		c.why = fmt.Sprintf("is larger than %d KiB", MaxContent>>10)
	case !utf8.Valid(data):
		c.why = "is not UTF-8 text"
	default:
		c.text = string(data)
	}
	return c
}
