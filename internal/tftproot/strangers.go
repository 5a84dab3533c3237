package tftproot

import (
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// strangers looks at the names in the directories of links that are no host's.
func (a *audit) strangers() {
	s := a.session
	for at, d := range s.dirs {
		if d.missing() || !a.isLinkDir(at) {
			continue
		}
		names, err := namesIn(d)
		if err != nil {
			a.fail(a.where(d, ""), "it cannot be listed: %v", plain(err))
			continue
		}
		sort.Strings(names)
		for _, n := range names {
			if _, owned := a.snap.bound.ownerOf(spot{at, n}); !owned {
				a.stranger(at, d, n)
			}
		}
	}
}

func (a *audit) isLinkDir(at int) bool {
	for _, i := range a.session.linkDir {
		if i == at {
			return true
		}
	}
	return false
}

func (a *audit) stranger(at int, d *dir, name string) {
	where := a.where(d, name)
	if strings.HasPrefix(name, layout.TempPrefix) {
		if name != planName {
			a.warn(where, "a temporary link that a crash left; the server removes it when it starts")
		}
		return
	}
	kind, err := kindOf(d, name)
	if err != nil || kind == fs.ModeDir {
		return
	}
	if _, owned := a.snap.bound.ownerOf(spot{at, strings.ToLower(name)}); owned {
		a.fail(where, "the name is in upper case, and no loader asks for it so")
		return
	}
	if a.byUUID(at, name) {
		return
	}
	if a.asConfiguration(at, name) {
		return // it was looked at as that
	}
	if !a.looksLikeHost(at, name) {
		if kind == fs.ModeSymlink {
			a.link(d, name)
		}
		return
	}
	if name != strings.ToLower(name) {
		a.warn(where, "the name is in upper case, and no loader asks for it so; it belongs to no host")
		return
	}
	a.warn(where, "it belongs to no host of the configuration file, and is left alone")
	if kind == fs.ModeSymlink {
		a.link(d, name)
	}
}

// byUUID looks at a name that is made of a UUID: for some loaders it comes before
// the link of the host that has it.
func (a *audit) byUUID(at int, name string) bool {
	for l := range a.root.loaders {
		loader := &a.root.loaders[l]
		uuid, perhaps := loader.ByUUID(strings.ToLower(name))
		where := a.where(a.session.dirs[at], name)
		if uuid == "" || a.explainer.folder(l) != a.session.onDiskReally(at) || !a.isThere(loader, name) {
			continue
		}
		host, first := a.explainer.called(uuid), "it comes before the links of MAC addresses"
		switch {
		case name != strings.ToLower(name):
			a.warn(where, "the name is in upper case, and no loader asks for it so")
		case perhaps != "":
			a.warn(where, "%s if %s; remove it", first, perhaps)
		case host == nil:
			a.warn(where, "%s, and is no host's; add uuid to the host that it is for, or remove it", first)
		case a.misled(host, l):
			a.fail(where, "host %s: %s, and its machine may boot what it says; remove it", pxepilot.Quote(host.Name), first)
		default:
			a.warn(where, "host %s: %s, so that no deploy changes what its machine boots; remove it", pxepilot.Quote(host.Name), first)
		}
		if kind, err := kindOf(a.session.dirs[at], name); err == nil && kind == fs.ModeSymlink {
			a.link(a.session.dirs[at], name)
		}
		return true
	}
	return false
}

// isThere says whether a machine that asks for a name gets a file.
func (a *audit) isThere(loader *loader, name string) bool {
	folder, _ := loader.Folder()
	return a.explainer.look.find(path.Join(folder, name), false).found == pxepilot.Readable
}

// misled says whether a host with links of a loader boots something else than they
// say.
func (a *audit) misled(h *pxepilot.Host, l int) bool {
	one, err := a.explainer.host(h)
	return err == nil && one.Status.State != pxepilot.None && slices.ContainsFunc(one.Searches, func(s pxepilot.Search) bool {
		return s.Bootloader == a.root.loaders[l].Name && len(s.Reasons) > 0
	})
}

// asConfiguration says whether a name, in a directory of links that is one of
// configurations, too, may be a configuration.
func (a *audit) asConfiguration(at int, name string) bool {
	for l := range a.root.loaders {
		if a.session.conf[l] == at && a.session.mayBeConfiguration(l, name) {
			return true
		}
	}
	return false
}

// looksLikeHost says whether a name has the shape of a host's link.
func (a *audit) looksLikeHost(at int, name string) bool {
	for l := range a.root.loaders {
		for _, d := range a.root.loaders[l].Dirs() {
			if a.session.linkDir[d] == at && a.root.loaders[l].Matches(d, name) {
				return true
			}
		}
	}
	return false
}
