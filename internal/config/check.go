package config

import (
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// check compares what only shows once everything was read, and fills in the
// hosts.
func (r *reader) check(site fields) {
	r.missing(site)
	inside := r.checkDirectory()
	r.checkBMCs(r.checkHosts())
	r.checkAdapters()
	r.checkDeploy(site)
	r.checkState()
	r.checkFiles()
	r.checkLoaders(inside)
	r.checkLinks(inside)
	r.config.Hosts = make([]*pxepilot.Host, len(r.hosts))
	for i, e := range r.hosts {
		r.config.Hosts[i] = e.host
	}
}

// missing tells which sections are not there.
func (r *reader) missing(site fields) {
	main := place{line: 1, column: 1}
	if site.at("hosts") == nil && site.at("hosts_directory") == nil {
		r.tell(main, "no hosts; add hosts (\"hosts: []\" for none), or hosts_directory")
	}
	if site.at("tftp") == nil {
		r.tell(main, "no tftp; add tftp with the root that the TFTP server serves")
	}
	if site.at("configuration") == nil {
		r.tell(main, "no configuration; add configuration with the directory that holds the boot configurations")
	}
}

// checkDirectory compares the two directories and returns that of the
// configurations below the root; empty where it is not.
func (r *reader) checkDirectory() string {
	root, dir := r.config.TFTP.Root, r.config.Configuration.Directory
	if root == "" || dir == "" {
		return ""
	}
	inside, below := strings.CutPrefix(dir, strings.TrimSuffix(root, "/")+"/")
	switch {
	case dir == root:
		r.tell(r.directoryAt, "configuration.directory is tftp.root itself; make a directory of its own for the configurations")
	case !below && !r.config.TFTP.AbsoluteLinks:
		r.tell(r.directoryAt, "configuration.directory is outside of tftp.root (%s), where most TFTP servers do not follow links; move it inside, or say links: absolute under tftp", root)
	case below:
		return inside
	}
	return ""
}

// A card is one of the MAC addresses of one of the hosts.
type card struct {
	host int
	at   place
}

// checkHosts tells which hosts share a name or an address, and returns whose
// each address is.
func (r *reader) checkHosts() map[pxepilot.MAC]card {
	names := make(map[string]int, len(r.hosts))
	macs := make(map[pxepilot.MAC]card, 2*len(r.hosts))
	for i := range r.hosts {
		e := &r.hosts[i]
		if other, taken := names[e.host.Name]; taken {
			r.tell(e.name, "host %s is already in %s; rename or remove one of them", pxepilot.Quote(e.host.Name), r.where(e.name, r.hosts[other].name))
			e.bad = true
		} else if e.host.Name != "" {
			names[e.host.Name] = i
		}
		for j, m := range e.host.MACs {
			other, taken := macs[m]
			switch {
			case !taken:
				macs[m] = card{i, e.macs[j]}
				continue
			case other.host == i:
				r.tell(e.macs[j], "%s stands twice in this host; remove one of them", m)
			default:
				r.tell(e.macs[j], "%s is already host %s's in %s; remove it from one of them", m,
					pxepilot.Quote(r.hosts[other.host].host.Name), r.where(e.macs[j], other.at))
			}
			e.bad = true
		}
	}
	r.checkIdentities(macs)
	return macs
}

// checkIdentities tells which addresses that a host speaks with are another's as
// well: nobody could tell which of them asked.
func (r *reader) checkIdentities(macs map[pxepilot.MAC]card) {
	identities := make(map[pxepilot.MAC]card)
	for i := range r.hosts {
		e := &r.hosts[i]
		for j, m := range e.host.IdentityMACs {
			at := e.identities[j]
			other, taken := macs[m]
			if !taken {
				other, taken = identities[m]
			}
			switch {
			case !taken:
				identities[m] = card{i, at}
			case other.host == i:
				r.tell(at, "%s stands twice in this host; remove one of them", m)
			default:
				r.tell(at, "%s is already host %s's in %s; remove it from one of them", m,
					pxepilot.Quote(r.hosts[other.host].host.Name), r.where(at, other.at))
			}
		}
	}
}

// checkLoaders tells which loaders share a link, and which hosts name loaders
// that are not declared.
func (r *reader) checkLoaders(inside string) {
	var names []string
	for i := range r.loaders {
		l := &r.loaders[i]
		if l.name != "" && !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
		for _, other := range r.loaders[:i] {
			for _, link := range l.Templates() {
				if slices.Contains(other.Templates(), link) {
					r.tell(l.at, "bootloader %s has the link %s, and so has %s in line %d; give one of them a link of its own, or declare only one if both read the same file",
						pxepilot.Quote(l.name), pxepilot.Quote(link), pxepilot.Quote(other.name), other.at.line)
					l.bad = true
				}
			}
		}
		if !l.bad && inside != "" && slices.Contains(l.Dirs(), path.Join(inside, l.name)) && l.Reserved("local") {
			r.tell(l.at, "bootloader %s has its links beside its configurations, under names that configurations may have; give link another directory", pxepilot.Quote(l.name))
		}
	}
	if len(r.loaders) == 0 {
		names = []string{layout.Default}
	}
	for _, e := range r.hosts {
		for i, b := range e.host.Bootloaders {
			switch {
			case slices.Contains(e.host.Bootloaders[:i], b):
				r.tell(e.bootloaders[i], "bootloader %s stands twice in this host; remove one of them", pxepilot.Quote(b))
			case !slices.Contains(names, b):
				hint := pxepilot.DidYouMean(b, names)
				if hint == "" {
					hint = "; declare it there, or remove it here"
				}
				r.tell(e.bootloaders[i], "bootloader %s is not declared in configuration.bootloaders%s", pxepilot.Quote(b), hint)
			}
		}
	}
}

// checkLinks computes every link of every host, and tells which cannot be, and
// which hosts share one.
func (r *reader) checkLinks(inside string) {
	loaders := r.loaders
	if len(loaders) == 0 {
		loaders = []loader{{Loader: r.undeclared(), name: layout.Default}}
	}
	directories := parents(inside)
	for _, l := range loaders {
		for _, d := range l.Dirs() {
			directories = append(directories, parents(d)...)
		}
	}
	type owner struct{ host, loader int }
	owners := make(map[string]owner, 2*len(r.hosts)*len(loaders))
	for i, e := range r.hosts {
		for j, l := range loaders {
			if e.bad || e.host.Name == "" || l.bad || !l.Counts(e.host) {
				continue
			}
			links, err := l.Names(e.host)
			if err != nil {
				r.tell(e.at, "bootloader %s: %v", pxepilot.Quote(l.name), err)
				continue
			}
			for _, link := range links {
				p := link.Path()
				other, taken := owners[p]
				switch {
				case taken && other.host == i:
					r.tell(e.at, "host %s has the link %s twice, by bootloaders %s and %s; what they are named after must differ",
						pxepilot.Quote(e.host.Name), pxepilot.Quote(p), pxepilot.Quote(loaders[other.loader].name), pxepilot.Quote(l.name))
				case taken:
					o := r.hosts[other.host]
					r.tell(e.at, "host %s has the link %s, and so has host %s in %s; what the link is named after must differ",
						pxepilot.Quote(e.host.Name), pxepilot.Quote(p), pxepilot.Quote(o.host.Name), r.where(e.at, o.at))
				case slices.Contains(directories, p):
					r.tell(e.at, "the link %s of host %s is where a directory must be; rename the host, or give bootloader %s another link",
						pxepilot.Quote(p), pxepilot.Quote(e.host.Name), pxepilot.Quote(l.name))
				}
				owners[p] = owner{i, j}
			}
		}
	}
}

// undeclared is the loader of a site that declares none.
func (r *reader) undeclared() layout.Loader {
	l, err := layout.Compile(pxepilot.Bootloader{Name: layout.Default})
	if err != nil {
		panic("the table of layouts lacks its default: " + err.Error())
	}
	return l
}

// parents lists a directory below the root and those that it is in.
func parents(dir string) []string {
	var dirs []string
	for d := path.Clean(dir); d != "." && d != "/"; d = path.Dir(d) {
		dirs = append(dirs, d)
	}
	return dirs
}
