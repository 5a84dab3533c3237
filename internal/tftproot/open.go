package tftproot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Open opens a file as a TFTP server gives it to machines. Links are followed as
// long as they stay in the root, or lead into the configuration directory where
// that is outside of it. Only what everybody may read is opened, for the user of a
// TFTP server has no more rights; and never what is our own business, such as the
// plan of a change.
//
// The error is NotFound where a machine gets nothing under that name, and Forbidden
// where it must not have what is there; it says where on the way, and what to do.
// The caller closes the file.
func (r *Root) Open(ctx context.Context, name string) (*pxepilot.File, error) {
	return r.openFor(ctx, name, false)
}

// OpenClosed is Open for what others may not read as well, to compare it with what
// a TFTP server gives. It is never to be given to machines.
func (r *Root) OpenClosed(ctx context.Context, name string) (*pxepilot.File, error) {
	return r.openFor(ctx, name, true)
}

func (r *Root) openFor(ctx context.Context, name string, closedToo bool) (*pxepilot.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		return nil, pxepilot.Errorf(pxepilot.Forbidden, "%s: a name with \"..\" is not followed; ask for the file by its path below the TFTP root", pxepilot.Quote(name))
	}
	s := r.newSession()
	defer s.close()
	if err := s.openTrees(); err != nil {
		return nil, err
	}
	d := &descent{session: s, asked: name, closedToo: closedToo}
	defer d.close()
	f, err := d.open()
	if err != nil {
		return nil, err
	}
	file, err := d.describe(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, nil
}

// steady is how long something must have been left alone before its stamps are
// sure to tell a further change: more than the coarsest ones, the 2 s of FAT.
const steady = 2 * time.Second

// describe makes of a file that was opened what the caller gets.
func (d *descent) describe(f *os.File) (*pxepilot.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st := info.Sys().(*syscall.Stat_t)
	d.changed(unix.Timespec(st.Ctim))
	d.changed(unix.Timespec(st.Mtim))
	now := d.root.now()
	file := &pxepilot.File{
		ReadSeekCloser: f,
		Size:           info.Size(),
		ModTime:        d.latest,
		Tag:            fmt.Sprintf("%x-%x-%x-%x-%x", st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()),
	}
	if now.Sub(d.latest) < steady {
		file.ModTime = time.Time{}
	}
	if now.Sub(time.Unix(st.Ctim.Unix())) < steady {
		file.Tag += fmt.Sprintf("-%x", now.UnixNano()) // of this moment only
	}
	for _, c := range d.seen {
		if c.link && c.tree == 0 {
			file.Links = append(file.Links, c.path)
		}
	}
	file.Bootloader, file.Configuration = d.configuration()
	return file, nil
}

// configuration tells which one the descent went through.
func (d *descent) configuration() (bootloader, name string) {
	if err := d.openDirs(); err != nil {
		return "", "" // who wants to know whether the site is whole asks for a View
	}
	for _, c := range d.seen {
		at, base := loc{c.tree, path.Dir(c.path)}, path.Base(c.path)
		for l := range d.root.loaders {
			loader := &d.root.loaders[l]
			if d.confDir(l).loc == at && loader.Directory != c.last && d.isConfiguration(l, base) {
				return loader.Name, base
			}
		}
	}
	return "", ""
}

// refuse makes the error for what a machine does not get. It ends at a path in the
// tree where the descent is.
func (d *descent) refuse(at string, err error) error {
	var ours *pxepilot.Error
	if errors.As(err, &ours) {
		return err
	}
	name, end := pxepilot.Quote(d.asked), d.place(loc{d.here().tree, at})
	by := "" // by which link it came there
	for i := len(d.seen) - 1; i >= 0 && by == ""; i-- {
		if d.seen[i].link {
			by = fmt.Sprintf("the link %s leads to %s", d.place(d.seen[i].loc), pxepilot.Quote(d.says))
		}
	}
	switch {
	case errors.Is(err, errLeaves):
		return pxepilot.Errorf(pxepilot.Forbidden, "%s leaves the TFTP root: %s; have it lead to what is inside", name, by).Because(err)
	case errors.Is(err, errClosed), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return pxepilot.Errorf(pxepilot.Forbidden, "%s: %s is closed to others, and so to TFTP servers; let everybody read files (chmod o+r) and enter directories (chmod o+x)", name, end).Because(err)
	case errors.Is(err, errDirectory):
		return pxepilot.Errorf(pxepilot.NotFound, "%s is a directory; ask for a file in it", name).Because(err)
	case errors.Is(err, errSpecial):
		return pxepilot.Errorf(pxepilot.NotFound, "%s is neither a file nor a directory", name).Because(err)
	case errors.Is(err, errLoop):
		return pxepilot.Errorf(pxepilot.NotFound, "%s leads in a circle, or through more than %d links", name, maxLinks).Because(err)
	case leadsNowhere(err) && by != "":
		return pxepilot.Errorf(pxepilot.NotFound, "%s leads to nothing: %s, and %s is not there", name, by, end).Because(err)
	case leadsNowhere(err):
		return pxepilot.Errorf(pxepilot.NotFound, "%s is not there", name).Because(err)
	}
	return pxepilot.Errorf(pxepilot.Unavailable, "%s cannot be opened: %v", name, plain(err)).Because(err)
}

// place is how a message calls a place.
func (d *descent) place(at loc) string {
	switch {
	case at.path == ".":
		return called(at)
	case at.tree == 0:
		return pxepilot.Quote(at.path)
	}
	return pxepilot.Quote(at.path) + " of " + theConfigurations
}
