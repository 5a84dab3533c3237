package tftproot

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// made is a directory that a change made: name in parent.
type made struct {
	parent *dir
	name   string
}

// prepare makes everything that the renames need.
func (c *change) prepare() error {
	if err := c.makeDirs(); err != nil {
		return err
	}
	if err := c.makeTemps(); err != nil {
		return err
	}
	if err := c.syncDirs(); err != nil {
		return err
	}
	if c.recovering {
		return nil
	}
	if err := c.writePlan(); pxepilot.ErrorCode(err) == pxepilot.TooLarge {
		return err
	} else if err != nil {
		return c.failed("the plan of the change cannot be written", err)
	}
	return nil
}

// makeDirs makes the directories of links that are missing.
func (c *change) makeDirs() error {
	for _, st := range c.steps {
		d := c.dirs[st.at.dir]
		if !d.missing() || st.Becomes == "" {
			continue
		}
		parent := &dir{loc: loc{d.tree, "."}}
		var err error
		if parent.file, err = c.trees[d.tree].Open("."); err != nil {
			return c.failed("the TFTP root cannot be opened", err)
		}
		for _, name := range components(d.path) {
			next := &dir{loc: loc{d.tree, path.Join(parent.path, name)}}
			if _, err := kindOf(parent, name); errors.Is(err, syscall.ENOENT) {
				if next.file, err = c.root.sys.mkdir(parent, name); err != nil {
					_ = parent.file.Close()
					return c.failed("directory "+next.path+" cannot be made", err)
				}
				c.made = append(c.made, made{parent, name})
				if err := c.root.sys.sync(parent); err != nil {
					_ = next.file.Close()
					return c.failed("directory "+next.path+" cannot be made durable", err)
				}
			} else {
				next.file, err = openat(parent, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW)
				_ = parent.file.Close()
				if err != nil {
					return c.failed("directory "+next.path+" cannot be opened", err)
				}
			}
			parent = next
		}
		d.file = parent.file
		if d.seen, err = stampOf(d); err != nil {
			return c.failed("directory "+d.path+" cannot be looked at", err)
		}
		d.id = d.seen.id
	}
	return nil
}

func (c *change) closeMade() {
	for _, m := range c.made {
		_ = m.parent.file.Close()
	}
	c.made = nil
}

// makeTemps makes every temporary link. Links with one text are one inode under
// many names: hard links of symbolic links cost no inode, and file systems such
// as ext4 are slow to hand out inodes that were freed a moment ago.
func (c *change) makeTemps() error {
	type shared struct {
		dir  int
		text string
	}
	first := map[shared]string{}
	used := map[spot]int{}
	var txs []string
	for i := range c.steps {
		st := &c.steps[i]
		// A name that changes twice in one plan needs two temporary names.
		turn := used[st.at]
		used[st.at]++
		st.turn = turn
		if turn == len(txs) {
			txs = append(txs, newTx())
		}
		st.temp = layout.TempName(txs[turn], st.at.base)
		if st.Becomes == "" || st.restore {
			continue
		}
		d := c.dirs[st.at.dir]
		key := shared{st.at.dir, st.Becomes}
		st.holds = true // even where the call fails, for all we know
		if from, ok := first[key]; ok && c.root.sys.link(d, from, st.temp) == nil {
			continue
		}
		// The first of its text, or one more than an inode has links for.
		if err := c.root.sys.symlink(st.Becomes, d, st.temp); err != nil {
			return c.failed("host "+pxepilot.Quote(st.Host)+": no link can be made beside "+st.Path, err)
		}
		first[key] = st.temp
	}
	for i := range c.steps {
		c.steps[i].final = c.steps[i].turn == used[c.steps[i].at]-1
	}
	return nil
}

func newTx() string {
	var b [layout.TxLen / 2]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// syncDirs makes what was done to the names of the plan durable.
func (c *change) syncDirs() error {
	synced := map[int]bool{}
	for i := range c.steps {
		at := c.steps[i].at.dir
		if synced[at] || c.dirs[at].missing() {
			continue
		}
		synced[at] = true
		if err := c.root.sys.sync(c.dirs[at]); err != nil {
			return c.failed("directory "+c.dirs[at].path+" cannot be made durable", err)
		}
	}
	return nil
}
