package tftproot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// planName is the plan on disk, in the root: there is one at most, for changes
// exclude each other. Only its owner can read it, the TFTP server cannot.
const planName = layout.TempPrefix + "plan"

// thePlan is what errors call it.
const thePlan = "the plan " + planName + " in the TFTP root"

// The plan's first byte says which way a start after a crash goes on. Turning it
// overwrites that one byte, which takes no space.
const (
	planForward = 'F' // carry out what is left
	planBack    = 'B' // undo what was done: the change had failed
)

// A savedPlan is a plan as it is on disk, behind the direction, a checksum and a
// newline.
type savedPlan struct {
	Version int         `json:"version"`
	Dirs    []string    `json:"dirs"` // of the steps: below the root, or absolute where outside, without symbolic links
	Steps   []savedStep `json:"steps"`
}

type savedStep struct {
	Host       string `json:"h"`
	Bootloader string `json:"l"`
	Dir        int    `json:"d"` // index into Dirs
	Base       string `json:"n"`
	Path       string `json:"p"`
	Was        string `json:"w,omitempty"`
	Becomes    string `json:"b,omitempty"`
	Keep       string `json:"k,omitempty"`
	Temp       string `json:"t,omitempty"`
	File       bool   `json:"f,omitempty"`
	Conf       bool   `json:"c,omitempty"`
}

const planVersion = 1

// maxPlan is the size of the largest plan in bytes: of hundreds of thousands of
// steps. What is larger is somebody else's file.
const maxPlan = 64 << 20

var (
	errNoPlan  = errors.New("it is not a regular file, and so not a plan of this program; move it away")
	errTooLong = errors.New("it is larger than any plan of this program; move it away")
)

// writePlan writes the plan and makes it durable.
func (c *change) writePlan() error {
	plan := savedPlan{Version: planVersion, Steps: make([]savedStep, len(c.steps))}
	index := make(map[int]int)
	for i := range c.steps {
		st := &c.steps[i]
		at, known := index[st.at.dir]
		if !known {
			at = len(plan.Dirs)
			index[st.at.dir] = at
			plan.Dirs = append(plan.Dirs, c.savedPath(c.dirs[st.at.dir]))
		}
		plan.Steps[i] = savedStep{
			Host: st.Host, Bootloader: st.Bootloader, Dir: at, Base: st.at.base, Path: st.Path,
			Was: st.Was, Becomes: st.Becomes, Keep: st.Keep, Temp: st.temp, File: st.file, Conf: st.conf,
		}
	}
	body, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%c %x\n", planForward, sum)
	b.Write(body)
	if int64(b.Len()) > c.root.maxPlan {
		return pxepilot.Errorf(pxepilot.TooLarge, "the change is too large (%d steps); make it in parts, of fewer hosts each", len(c.steps))
	}
	return c.withTop(func(top *dir) error {
		if err := c.root.sys.create(top, planName, b.Bytes()); err != nil {
			if !errors.Is(err, unix.EEXIST) {
				// It may be there, and even whole.
				gone := c.root.sys.unlink(top, planName)
				c.planned = gone != nil && !errors.Is(gone, unix.ENOENT)
			}
			return err
		}
		c.planned = true
		return c.root.sys.sync(top)
	})
}

// savedPath is how a plan names a directory. Below the root it stays right where
// the root is renamed meanwhile.
func (s *session) savedPath(d *dir) string {
	if d.tree == 0 {
		return d.path
	}
	return filepath.Join(s.trees[d.tree].real, d.path)
}

// turnPlan makes a start after a crash undo the plan.
func (c *change) turnPlan() error {
	return c.withTop(func(top *dir) error { return c.root.sys.overwrite(top, planName, []byte{planBack}) })
}

// removePlan removes the plan, durably.
func (c *change) removePlan() error {
	return c.withTop(func(top *dir) error {
		if err := c.root.sys.unlink(top, planName); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		return c.root.sys.sync(top)
	})
}

// withTop opens the root's own directory.
func (s *session) withTop(do func(*dir) error) error {
	f, err := s.trees[0].Open(".")
	if err != nil {
		return err
	}
	return errors.Join(do(&dir{loc: loc{0, "."}, file: f}), f.Close())
}

// planData reads the file of the plan. Anything else of that name, such as a FIFO,
// must not hold it up.
func (r *Root) planData(top *dir) ([]byte, error) {
	f, err := openat(top, planName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO): // a link, a socket
		return nil, errNoPlan
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNoPlan
	}
	data, err := io.ReadAll(io.LimitReader(f, r.maxPlan+1))
	if err == nil && int64(len(data)) > r.maxPlan {
		err = errTooLong
	}
	return data, err
}

// readPlan reads the plan of a change that was cut off. found is false where
// there is none; whole is false where its writing was cut off, and so nothing
// had been switched yet.
func (s *session) readPlan() (plan savedPlan, back, whole, found bool, err error) {
	var data []byte
	err = s.withTop(func(top *dir) error {
		data, err = s.root.planData(top)
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		return plan, false, false, false, nil
	}
	if err != nil {
		return plan, false, false, true, err
	}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || len(head) < 2 || string(head[2:]) != hex.EncodeToString(sum[:]) {
		return plan, false, false, true, nil
	}
	if err := json.Unmarshal(body, &plan); err != nil {
		return plan, false, false, true, err
	}
	if plan.Version != planVersion {
		return plan, false, false, true, pxepilot.Errorf(pxepilot.Unavailable,
			"it is of version %d, and this program knows version %d; start the program that wrote it once", plan.Version, planVersion)
	}
	return plan, head[0] == planBack, true, true, nil
}
