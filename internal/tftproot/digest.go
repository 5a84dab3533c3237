package tftproot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/pxe-pilot/pxe-pilot"
)

// maxEntries is how much of a configuration that is a directory is looked at.
const maxEntries = 10000

// unreadable stands for the digest of what cannot be read.
const unreadable = "unreadable"

// A digest is of a content, and holds for as long as the file's stamp is the same.
type digest struct {
	stamp
	size    int64
	settled bool // else it is made anew
	sum     string
}

// A variantName is a configuration of a loader.
type variantName struct {
	loader int
	name   string
}

// Contents returns a digest of each configuration for each loader that it has a
// variant for, by the names of both. A file is read again only when its stamp
// tells that it may have changed. Of a directory, and of a file that is too large to
// be shown, names, sizes and times count.
func (r *Root) Contents(ctx context.Context, configurations []pxepilot.Configuration) (map[[2]string]string, error) {
	r.digesting.Lock()
	defer r.digesting.Unlock()
	s, err := r.open()
	if err != nil {
		return nil, err
	}
	defer s.close()
	found := make(map[[2]string]string, len(configurations))
	now := make(map[variantName]digest, len(configurations))
	for _, c := range configurations {
		for l := range r.loaders {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			loader := &r.loaders[l]
			if !c.Covers(loader.Name) || s.confDir(l).missing() {
				continue
			}
			of := variantName{l, c.Name}
			made, err := s.digest(of, r.digests[of])
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue // since it was listed
			case err != nil:
				made = digest{sum: unreadable}
			}
			now[of] = made
			found[[2]string{c.Name, loader.Name}] = made.sum
		}
	}
	r.digests = now
	return found, nil
}

// digest makes the digest of a configuration, unless the last one still holds.
func (s *session) digest(of variantName, last digest) (digest, error) {
	d := s.confDir(of.loader)
	if s.root.loaders[of.loader].Directory {
		w, err := s.walk(d.loc, of.name)
		if err != nil {
			return digest{}, err
		}
		sum, err := digestTree(s.trees[w.at.tree].FS(), w.at.path)
		return digest{sum: sum}, err
	}
	began := s.root.now()
	f, err := s.openTarget(d, of.name)
	if err != nil {
		return digest{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return digest{}, err
	}
	now := digest{size: info.Size()}
	if now.stamp, err = stampOf(&dir{file: f}); err != nil {
		return digest{}, err
	}
	if last.settled && last.stamp == now.stamp && last.size == now.size {
		return last, nil
	}
	now.settled = now.settledAt(began)
	now.sum, err = digestFile(f, info)
	return now, err
}

func digestFile(f *os.File, info fs.FileInfo) (string, error) {
	h := sha256.New()
	if info.Size() > MaxContent {
		describe(h, "", info)
	} else if _, err := io.Copy(h, io.LimitReader(f, MaxContent+1)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// digestTree makes the digest of a directory with all that is in it.
func digestTree(tree fs.FS, dir string) (string, error) {
	h := sha256.New()
	left := maxEntries
	err := fs.WalkDir(tree, dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == dir {
				return err
			}
			fmt.Fprintf(h, "%q: %s\n", path, unreadable)
			return nil
		}
		if left--; left < 0 {
			return fs.SkipAll
		}
		if e.IsDir() { // its own times say less than what is in it
			fmt.Fprintf(h, "%q\n", path)
		} else if info, err := e.Info(); err == nil { // else it is gone by now
			describe(h, path, info)
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// describe adds to a digest what is known of a file without reading it.
func describe(h hash.Hash, path string, info fs.FileInfo) {
	fmt.Fprintf(h, "%q %v %d %d\n", path, info.Mode(), info.Size(), info.ModTime().UnixNano())
}
