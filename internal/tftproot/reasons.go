package tftproot

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// reason says why a search does not end at what was deployed to the host.
func (e *explainer) reason(a *asking) {
	deployed := a.status.Configuration
	if a.status.State == pxepilot.Partial {
		deployed = a.status.Common()
	}
	tell := func(format string, args ...any) { a.Reasons = append(a.Reasons, fmt.Sprintf(format, args...)) }
	if a.Configuration != "" && a.Configuration == deployed && !a.Unsure {
		if e.root.loaders[a.loader].Directory {
			for _, why := range e.belongings(a.loader, a.Asks[a.Wins].Path, deployed).closed {
				tell("%s, which goes with %s; 'chmod o+rX' lets it", why, shown(a.Asks[a.Wins].Path))
			}
		}
		return
	}
	if script := e.scripts[a.loader]; a.Unsure && a.puzzle != "" {
		tell("what %s goes on to for this machine cannot be told from its command %s; 'pxe-pilot host explain' prints what belongs there", shown(script.Path), pxepilot.Quote(a.puzzle))
	}
	own := slices.IndexFunc(a.Asks, func(ask pxepilot.Ask) bool { return e.link(a, ask) != nil })
	if own < 0 {
		if trouble := e.trouble(a.loader); trouble != "" {
			tell("%s", trouble)
		} else {
			tell("the machine does not ask for the host's link")
		}
		return
	}
	if a.Wins >= 0 && a.Wins < own {
		tell("%s comes before the host's link %s; remove it, for no deploy changes what it says", shown(a.Asks[a.Wins].Path), shown(a.Asks[own].Paths[0]))
	}
	if a.Unsure && a.doubt >= 0 && a.doubt != own {
		tell("%s comes before the host's link %s if the machine asks for its UUID in that byte order; remove it, for no deploy changes what it says",
			shown(strings.Join(a.Asks[a.doubt].Paths, ", or ")), shown(e.link(a, a.Asks[own]).Path))
	}
	if why := e.broken(a, own, deployed); why != "" {
		tell("%s", why)
	}
}

// link is that of the host that a machine asks for at a step, or nil.
func (e *explainer) link(a *asking, ask pxepilot.Ask) *pxepilot.Link {
	for _, p := range ask.Paths {
		if e.root.loaders[a.loader].Directory {
			p = path.Dir(p)
		}
		if l := a.links[e.look.place(p)]; l != nil {
			return l
		}
	}
	return nil
}

// broken says what is wrong with the host's link, which the machine asks for at a
// step, and what to do; empty where nothing is.
func (e *explainer) broken(a *asking, own int, deployed string) string {
	ask, s := &a.Asks[own], a.sights[own]
	link := e.link(a, *ask)
	name, host := shown(link.Path), pxepilot.Quote(a.host.Name)
	end := shown(e.look.below(s.end))
	deploy := fmt.Sprintf("'pxe-pilot config deploy NAME %s'", pxepilot.ShellWord(a.host.Name))
	repair := fmt.Sprintf("'pxe-pilot host repair %s'", pxepilot.ShellWord(a.host.Name))
	gone, isConfiguration := e.goneConfiguration(a.loader, s)
	switch {
	case ask.Found == pxepilot.Absent && e.twin(link.Path) != "":
		return fmt.Sprintf("%s is in upper case, and no loader asks for it so; remove it and deploy again", shown(e.twin(link.Path)))
	case link.State == pxepilot.Entangled:
		return fmt.Sprintf("%s leads through another host's link (%s); %s or a deploy detaches it", name, strings.Join(link.Through, ", "), repair)
	case own == a.doubt && ask.Found.IsThere():
		return fmt.Sprintf("the machine asks for %s, or in the other byte order for %s, as its firmware has it, and not both are there; have both lead to the same, or name the links of bootloader %s after MAC addresses",
			shown(path.Join(path.Dir(ask.Path), a.otherOrder(path.Base(ask.Path)))), name, a.Bootloader)
	case ask.Found == pxepilot.Absent && link.State != pxepilot.None:
		return fmt.Sprintf("what %s leads to has none of %s, which the machine asks for; add one, or say by the bootloader's file what it is in this directory", name, strings.Join(e.basesOf(a, link), ", "))
	case ask.Found == pxepilot.Absent && deployed != "" && !e.snap.confs[a.loader][deployed]:
		return fmt.Sprintf("configuration %s has no variant for bootloader %s; add one, or list the host's bootloaders without it", pxepilot.Quote(deployed), a.Bootloader)
	case ask.Found == pxepilot.Absent && a.status.State == pxepilot.None:
		return fmt.Sprintf("nothing is deployed to host %s, so that %s is not there; %s makes it", host, name, deploy)
	case ask.Found == pxepilot.Absent:
		return fmt.Sprintf("%s is missing; %s or a deploy makes it", name, repair)
	case ask.Found == pxepilot.Broken && isConfiguration:
		return fmt.Sprintf("%s leads to the configuration %s, which is not there any more; bring it back, or deploy another one", name, pxepilot.Quote(gone))
	case ask.Found == pxepilot.Broken:
		return fmt.Sprintf("%s: %s; %s mends it", name, ask.Note, deploy)
	case ask.Found == pxepilot.Unreadable && s.mode.IsDir():
		return fmt.Sprintf("%s: %s; 'chmod o+x' lets it", name, ask.Note)
	case ask.Found == pxepilot.Unreadable:
		return fmt.Sprintf("%s: %s; 'chmod o+r' lets it", name, ask.Note)
	case ask.Found == pxepilot.NotAFile:
		return fmt.Sprintf("%s: %s; remove it and deploy again", name, ask.Note)
	case ask.Found == pxepilot.Empty:
		return fmt.Sprintf("%s is empty, which bootloader %s takes for a file that is not there; write to it what the machine should do", end, a.Bootloader)
	case link.State == pxepilot.Unmanaged:
		return fmt.Sprintf("%s is somebody else's file and not a link; 'pxe-pilot config deploy --force NAME %s' keeps it under another name and makes the link", name, pxepilot.ShellWord(a.host.Name))
	case link.State == pxepilot.Foreign:
		return fmt.Sprintf("%s leads to %s, which is not a configuration of bootloader %s; %s mends it", name, end, a.Bootloader, deploy)
	case a.status.State == pxepilot.Mixed:
		return fmt.Sprintf("the links of host %s lead to different configurations; deploy the one that is meant", host)
	}
	return ""
}

// otherOrder is a name that is made of the host's UUID, in the other byte order.
func (a *asking) otherOrder(base string) string {
	prefix, uuid := strings.TrimSuffix(base, layout.UUIDIn(base)), a.host.UUID.String()
	if uuid == layout.UUIDIn(base) {
		uuid = a.host.UUID.Swapped().String()
	}
	return prefix + uuid
}

// basesOf lists the files that a machine asks for in the directory of a link.
func (e *explainer) basesOf(a *asking, link *pxepilot.Link) (bases []string) {
	for _, ask := range a.Asks {
		if e.link(a, ask) == link {
			bases = append(bases, path.Base(ask.Paths[0]))
		}
	}
	return bases
}

// goneConfiguration is the configuration that a link leads to where that is not
// there.
func (e *explainer) goneConfiguration(l int, s sight) (name string, ok bool) {
	if s.circle || path.Dir(s.end) != e.onDiskReally(e.conf[l]) {
		return "", false
	}
	return path.Base(s.end), true
}

// folder is where a loader looks, on this machine.
func (e *explainer) folder(l int) string {
	folder, _ := e.root.loaders[l].Folder()
	return path.Dir(e.look.place(folder + "/x"))
}

// trouble is what keeps a loader from asking for anybody's links.
func (e *explainer) trouble(l int) string {
	place := func(dir string) string { return path.Dir(e.look.place(dir + "/x")) }
	return e.root.loaders[l].Trouble(place, e.scripts[l].amiss)
}

// warn says what may change what a machine gets and is not known here.
func (e *explainer) warn(a *asking) {
	tell := func(format string, args ...any) { a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...)) }
	for i, ask := range a.Asks {
		if a.Wins >= 0 && i >= a.Wins {
			break
		}
		if ask.Unknown && ask.Found.IsThere() && !(a.Unsure && i == a.doubt) {
			tell("%s", e.perhaps(a, i))
		}
	}
	if a.Wins >= 0 {
		ask := a.Asks[a.Wins]
		if len(a.Reasons) == 0 && e.link(a, ask) == nil {
			tell("it gets %s by %s and not by its own link, so that no deploy changes it; remove that", pxepilot.Quote(a.Configuration), shown(ask.Path))
		}
	}
	if a.Wins != a.InChroot {
		tell("%s", e.locked(a))
	}
}

// perhaps says of what is there at a step when it comes before all else.
func (e *explainer) perhaps(a *asking, i int) string {
	ask := a.Asks[i]
	const most = 3
	var names []string
	for _, p := range ask.Paths[:min(most, len(ask.Paths))] {
		names = append(names, shown(p))
	}
	what := strings.Join(names, ", ")
	if more := len(ask.Paths) - most; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	switch {
	case i == a.doubt:
		return fmt.Sprintf("%s would come first if the machine asks for its UUID in that byte order; remove it, for no deploy changes what it says", what)
	case a.ifs[i] != "":
		return fmt.Sprintf("%s would come first if %s; remove it", what, a.ifs[i])
	case ask.By == pxepilot.ByUUID:
		return fmt.Sprintf("%s would come first if that is this machine's UUID; add uuid to host %s in the configuration file, or remove it", what, pxepilot.Quote(a.host.Name))
	case ask.By == pxepilot.ByIP:
		return fmt.Sprintf("%s would come first if the machine's IP address begins so; add ip to host %s in the configuration file", what, pxepilot.Quote(a.host.Name))
	}
	return fmt.Sprintf("%s would come first if the machine's loader was built for that", what)
}

// locked says what a machine gets from a server that is locked into the root.
func (e *explainer) locked(a *asking) string {
	const server = "a TFTP server that is locked into the root (tftpd-hpa --secure, Debian's default)"
	gives := "nothing"
	if a.InChroot >= 0 {
		gives = shown(a.Asks[a.InChroot].Path)
	}
	if a.Wins < 0 || a.InChroot >= 0 && a.InChroot < a.Wins {
		return fmt.Sprintf("%s gives %s instead", server, gives)
	}
	ask := a.Asks[a.Wins]
	for _, before := range a.Asks[:a.Wins] {
		if before.By == pxepilot.ByScript && before.Found == pxepilot.Unchrooted {
			ask = before
		}
	}
	if l := e.link(a, ask); l == nil {
		return fmt.Sprintf("%s gives %s instead of %s, for it finds nothing behind links that are absolute or leave the root; make that one relative, and inside", server, gives, shown(ask.Path))
	}
	what := fmt.Sprintf("'pxe-pilot host repair %s' makes it relative", pxepilot.ShellWord(a.host.Name))
	if e.root.absolute {
		what = "set tftp.links: relative, have the configurations inside the root, and repair"
	}
	return fmt.Sprintf("%s gives %s instead, for it does not find what %s leads to by an absolute path, or outside of the root; %s", server, gives, shown(ask.Path), what)
}

// shown is a path as a message has it: as it is, unless that would deceive.
func shown(p string) string {
	for _, r := range p {
		if !pxepilot.Printable(r) {
			return strconv.QuoteToGraphic(p)
		}
	}
	return p
}
