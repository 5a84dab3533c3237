package tftproot

import (
	"cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// scripted is what the script of a loader does, as far as the disk tells.
type scripted struct {
	*layout.Script        // nil where none is needed
	text           string // of it, where it is there
	links          bool   // it goes on to the links of hosts
	amiss          string // why it does not go on to links
}

// script reads what should make a loader ask for the links of hosts. One that is
// nobody knows where is taken to be as it should.
func (e *explainer) script(l int) scripted {
	loader := &e.root.loaders[l]
	is := scripted{Script: loader.Script(), links: true}
	if is.Script == nil || is.Path == "" {
		return is
	}
	s := e.look.find(is.Path, false)
	switch {
	case s.found == pxepilot.Absent:
		is.links, is.amiss = false, "is not there"
	case s.found != pxepilot.Readable:
		is.links, is.amiss = false, "no machine gets ("+e.look.says(s, s)+")"
	default:
		is.text = e.content(l, s.end).text
		is.links = loader.Leads(is.text)
	}
	if !is.links {
		is.amiss = cmp.Or(is.amiss, "does not")
	}
	return is
}
