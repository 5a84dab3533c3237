package layout

import (
	"path"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Route is where a script leads a machine: the files that it goes on to, in order,
// until one of them is there.
type Route struct {
	Paths []string // below the TFTP root
	// Doubt is the first command of which it cannot be told what it does; what follows
	// that is left out. It is empty where all can be told.
	Doubt string
}

// A machine is what a script knows of the one that reads it.
type machine struct {
	*pxepilot.Host
	mac pxepilot.MAC // of the network card that it boots by
}

// Route follows a script as the machine of a host does, when it boots by a MAC
// address.
func (l Loader) Route(text string, h *pxepilot.Host, mac pxepilot.MAC) Route {
	return l.row.Script.route(&l, text, machine{h, mac})
}

// anybody is a machine of which all is known, to see whether a script leads to links
// at all.
var anybody = machine{&pxepilot.Host{
	Name: "host-of-anybody", Serial: "serial-of-anybody", UUID: pxepilot.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9}, MACs: []pxepilot.MAC{{2, 0, 0, 0, 0xab, 1}},
}, pxepilot.MAC{2, 0, 0, 0, 0xab, 1}}

// Leads says whether a script goes on to the links of hosts. It may where that cannot
// be told.
func (l Loader) Leads(text string) bool {
	r := l.row.Script.route(&l, text, anybody)
	return r.Doubt != "" || len(l.linksOn(r, anybody)) > 0
}

// linksOn are the steps of a route that are links of the machine's host, by path.
func (l Loader) linksOn(r Route, m machine) map[string]pxepilot.AskedBy {
	on := map[string]pxepilot.AskedBy{}
	for _, t := range l.templates {
		base, err := t.expand(m.Host, m.mac)
		link := path.Join(t.dir, base)
		for _, p := range r.Paths {
			if err == nil && p == link {
				on[p] = t.by()
			}
		}
	}
	return on
}

// Follow is Search where the script is known: what comes after it is what it says.
// Where all of it is unknown it is taken to do as it should, which is in doubt. Not
// ok is a script that goes on to nothing.
func (l Loader) Follow(asks []Ask, r Route, h *pxepilot.Host, mac pxepilot.MAC) (followed []Ask, ok bool) {
	on := l.linksOn(r, machine{h, mac})
	if r.Doubt != "" && len(r.Paths) == 0 {
		return asks, true
	}
	for _, a := range asks {
		if followed = append(followed, a); a.Leads {
			break
		}
	}
	for _, p := range r.Paths {
		by, link := on[p]
		if !link {
			by = pxepilot.ByDefault
		}
		followed = append(followed, Ask{By: by, Paths: []string{p}})
	}
	return followed, len(r.Paths) > 0
}

// inRoot is a path that a script goes on to, below the TFTP root; empty for none.
func inRoot(folder, p string) string {
	if !strings.HasPrefix(p, "/") {
		p = path.Join("/", folder, p)
	}
	return strings.TrimPrefix(path.Clean(p), "/")
}
