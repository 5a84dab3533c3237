package tftproot

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// names are those in a directory. Directories of links have some for every host, so
// that all that is asked of them for every host must not go through them.
type names struct {
	all    []string
	folded map[string]string // by their form in lower case; nil before it is needed
}

// list lists the names in a directory below the root, once.
func (e *explainer) list(dir string) *names {
	at := path.Dir(e.look.place(path.Join(dir, "x")))
	n, listed := e.names[at]
	if !listed {
		n = &names{}
		if f, err := os.Open(at); err == nil { // what cannot be listed, a server does not get at
			n.all, _ = f.Readdirnames(-1)
			_ = f.Close()
		}
		e.names[at] = n
	}
	return n
}

// twin is the path of a link as it stands there in other letters, or empty.
func (e *explainer) twin(link string) string {
	dir, base := path.Split(link)
	n := e.list(dir)
	if n.folded == nil {
		n.folded = map[string]string{}
		for _, name := range n.all {
			low := strings.ToLower(name)
			if other, taken := n.folded[low]; !taken || name < other {
				n.folded[low] = name
			}
		}
	}
	if name := n.folded[strings.ToLower(base)]; name != "" && name != base {
		return path.Join(dir, name)
	}
	return ""
}

// nobodys lists the paths that an ask of which it is not known what for may be for:
// all that have its form, but for those that are named after a host, whose ask is known.
func (e *explainer) nobodys(want layout.Ask) (paths []string) {
	dir := path.Dir(want.Pattern)
	for _, name := range e.list(dir).all {
		if want.Match.MatchString(name) && e.named(name) == nil {
			paths = append(paths, path.Join(dir, name))
		}
	}
	slices.Sort(paths)
	return paths
}

// named is the host whose UUID or IP address a name ends in, or nil.
func (e *explainer) named(base string) *pxepilot.Host {
	if h := e.called(layout.UUIDIn(base)); h != nil {
		return h
	}
	return e.called(base[strings.LastIndexByte(base, '-')+1:])
}

// called is the host with a UUID, in either form, or an IP address in hexadecimal,
// or nil.
func (e *explainer) called(fact string) *pxepilot.Host {
	if e.hosts == nil {
		e.hosts = map[string]*pxepilot.Host{}
		for _, h := range e.snap.view.Inventory.Hosts() {
			if !h.UUID.IsZero() {
				e.hosts[h.UUID.String()], e.hosts[h.UUID.Swapped().String()] = h, h
			}
			if digits, ok := layout.HexIP(h.IP); ok {
				e.hosts[digits] = h
			}
		}
	}
	return e.hosts[fact]
}
