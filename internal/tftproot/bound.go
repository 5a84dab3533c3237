package tftproot

import (
	"path"

	"github.com/pxe-pilot/pxe-pilot"
)

// bound is an inventory's names in the directories of a session. Directories
// that are themselves links are resolved, so that two declared names may turn
// out to be one.
type bound struct {
	inv   *pxepilot.Inventory
	hosts []boundHost
	owner map[spot]int32 // whose name it is: an index into hosts
	names int
}

// A spot is a name in a directory of the session.
type spot struct {
	dir  int
	base string
}

// A boundHost is a host with its links, loader by loader.
type boundHost struct {
	host   *pxepilot.Host
	chains []chain
}

// A chain is the links of one host for one loader. The first leads to the
// configuration, the others to the first.
type chain struct {
	loader int
	names  []name
}

// A name is one link of a host.
type name struct {
	spot
	path string // as declared, below the TFTP root
	mac  pxepilot.MAC
}

// bind computes the names of every host.
func (s *session) bind(inv *pxepilot.Inventory) (*bound, error) {
	b := &bound{inv: inv, hosts: make([]boundHost, len(inv.Hosts())), owner: make(map[spot]int32, 2*len(inv.Hosts()))}
	loaderOf := make(map[spot]int)
	several := len(s.root.loaders) > 1
	for i, h := range inv.Hosts() {
		bh := boundHost{host: h}
		for l := range s.root.loaders {
			loader := &s.root.loaders[l]
			if !loader.Counts(h) {
				continue
			}
			names, err := loader.Names(h)
			if err != nil {
				return nil, pxepilot.Errorf(pxepilot.Unavailable, "bootloader %s: %v", loader.Name, err)
			}
			c := chain{loader: l, names: make([]name, 0, len(names))}
			for _, n := range names {
				full := n.Path()
				at := name{spot{s.linkDir[n.Dir], n.Base}, full, n.MAC}
				other, taken := b.owner[at.spot]
				switch {
				case taken && int(other) == i && (!several || loaderOf[at.spot] == l):
					continue // two names of one loader in one directory, by a link between directories
				case taken:
					return nil, pxepilot.Errorf(pxepilot.Unavailable,
						"%s is the link of host %s for one bootloader and of host %s for %s: their directories are one, by a symbolic link",
						full, pxepilot.Quote(inv.Hosts()[other].Name), pxepilot.Quote(h.Name), loader.Name)
				}
				b.owner[at.spot] = int32(i)
				if several {
					loaderOf[at.spot] = l
				}
				c.names = append(c.names, at)
			}
			b.names += len(c.names)
			bh.chains = append(bh.chains, c)
		}
		b.hosts[i] = bh
	}
	return b, nil
}

// ownerOf tells whose link a spot is.
func (b *bound) ownerOf(at spot) (host int, ok bool) {
	i, ok := b.owner[at]
	return int(i), ok
}

// describe is a spot as a person would type it.
func (s *session) describe(at spot) string {
	d := s.dirs[at.dir]
	p := path.Join(d.path, at.base)
	if d.tree != 0 {
		return path.Join(s.trees[d.tree].path, p)
	}
	return p
}
