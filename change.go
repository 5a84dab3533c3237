package pxepilot

// A Move is what is to be done to the links of one host. A regular file that is
// in the way is kept under another name.
type Move struct {
	Host          *Host
	Want          Want
	Configuration string // for Deploy
}

// Want is the kind of a Move.
type Want int

// The kinds of moves.
const (
	Deploy Want = iota // lead every link to a configuration; links of loaders that it has no variant for go
	Clear              // remove every link
	Repair             // bring the links into canonical shape without changing what boots
)

// A Step changes one name below the TFTP root by one rename.
type Step struct {
	Host       string // the host that the name belongs to
	Bootloader string
	Path       string // below the TFTP root
	Was        string // the text of the link before; empty when there was none
	Becomes    string // the text after; empty when the name is removed
	Keep       string // the path under which a file that was in the way is kept; empty when none was
}
