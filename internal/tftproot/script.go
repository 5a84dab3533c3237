package tftproot

import (
	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// scripted is what the script of a loader does, as far as the disk tells.
type scripted struct {
	*layout.Script      // nil where none is needed
	links          bool // it goes on to the links of hosts
	otherwise      bool // it goes on to what is for machines without one
}

// script reads what should make a loader ask for the links of hosts. One that is
// nobody knows where is taken to be as it should.
func (e *explainer) script(l int) scripted {
	loader := &e.root.loaders[l]
	is := scripted{Script: loader.Script(), links: true, otherwise: true}
	if is.Script == nil || is.Path == "" {
		return is
	}
	s := e.look.find(is.Path, false)
	if s.found != pxepilot.Readable {
		is.links = false
		return is
	}
	is.links, is.otherwise = loader.Leads(e.content(l, s.end).text)
	return is
}
