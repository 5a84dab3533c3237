package pilot

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// Preferred is the bootloader whose link is given to machines that name none, for
// it is the one that fetches over HTTP.
const Preferred = "ipxe"

// A Given is what somebody gets who asks for a file. Its host is known also where
// there is nothing to give.
type Given struct {
	File          *pxepilot.File // the caller closes it; nil where there is an error
	Host          string         // whose link it is; empty where it is nobody's
	Bootloader    string         // of that link
	Configuration string         // that the link gives; empty where that is none of its loader
}

// Boot gives what a host's link for a bootloader gives, the preferred one where
// bootloader is empty, or the only one. The host is found by the MAC address of the
// card that asks, in any spelling.
func (p *Pilot) Boot(ctx context.Context, mac, bootloader string) (Given, error) {
	m, err := pxepilot.ParseMAC(mac)
	if err != nil {
		return Given{}, pxepilot.Errorf(pxepilot.Invalid, "%v", err)
	}
	site := p.site()
	h := site.Inventory.ByMAC(m)
	if h == nil {
		return Given{}, pxepilot.Errorf(pxepilot.NotFound, "no host has the MAC address %s; add it to the mac_addresses of its host in the configuration file", m)
	}
	owned, err := p.ownedLinks(ctx, site)
	if err != nil {
		return Given{Host: h.Name}, err
	}
	links := owned.view.Of(h)
	loader, err := chooseLoader(site, links, bootloader)
	given := Given{Host: h.Name, Bootloader: loader}
	if err != nil {
		return given, err
	}
	at := slices.IndexFunc(links.Links, func(l pxepilot.Link) bool { return l.Bootloader == loader && (l.MAC == m || l.MAC.IsZero()) })
	link := links.Links[at].Path
	if bootsDirectory(site, loader) {
		return given, pxepilot.Errorf(pxepilot.NotFound, "host %s boots a whole directory by bootloader %s, and no single file; ask for the files in it, /tftp/%s/...",
			pxepilot.Quote(h.Name), loader, link)
	}
	file, err := site.Files.Open(ctx, link)
	if err != nil {
		return given, toDeploy(h, err)
	}
	given.is(file)
	return given, nil
}

// is notes what was opened. A link that leads to another loader's configuration
// gives the file all the same, as a TFTP server does.
func (g *Given) is(f *pxepilot.File) {
	g.File = f
	if f.Bootloader == g.Bootloader {
		g.Configuration = f.Configuration
	}
}

// toDeploy says what to do where a host gets nothing.
func toDeploy(h *pxepilot.Host, err error) error {
	if pxepilot.ErrorCode(err) != pxepilot.NotFound {
		return err
	}
	return pxepilot.Errorf(pxepilot.NotFound, "host %s has nothing to boot: %s; deploy a configuration by 'pxe-pilot config deploy NAME %s'",
		pxepilot.Quote(h.Name), pxepilot.ErrorMessage(err), pxepilot.ShellWord(h.Name)).Because(err)
}

func chooseLoader(site *Site, s *pxepilot.HostStatus, asked string) (string, error) {
	counting := loaders(s)
	declared := func(b pxepilot.Bootloader) bool { return b.Name == asked }
	switch {
	case len(counting) == 0:
		return "", pxepilot.Errorf(pxepilot.NotFound, "host %s boots by no bootloader; list one in its bootloaders in the configuration file", pxepilot.Quote(s.Host.Name))
	case slices.Contains(counting, asked):
		return asked, nil
	case asked != "" && !slices.ContainsFunc(site.Bootloaders, declared):
		names := make([]string, len(site.Bootloaders))
		for i, b := range site.Bootloaders {
			names[i] = b.Name
		}
		return "", pxepilot.Errorf(pxepilot.NotFound, "bootloader %s not found%s", pxepilot.Quote(asked), pxepilot.DidYouMean(asked, names))
	case asked != "":
		return "", pxepilot.Errorf(pxepilot.NotFound, "host %s does not boot by bootloader %s, but by %s",
			pxepilot.Quote(s.Host.Name), pxepilot.Quote(asked), strings.Join(counting, " or "))
	case slices.Contains(counting, Preferred):
		return Preferred, nil
	case len(counting) == 1:
		return counting[0], nil
	}
	return "", pxepilot.Errorf(pxepilot.Invalid, "host %s boots by %s; say by which, such as ?bootloader=%s",
		pxepilot.Quote(s.Host.Name), strings.Join(counting, " or "), counting[0])
}

func bootsDirectory(site *Site, loader string) bool {
	return slices.ContainsFunc(site.Bootloaders, func(b pxepilot.Bootloader) bool { return b.Name == loader && b.Kind == pxepilot.Directory })
}

// File gives a file by its path below the TFTP root.
func (p *Pilot) File(ctx context.Context, name string) (Given, error) {
	site := p.site()
	var given Given
	file, err := site.Files.Open(ctx, name)
	if owned, broken := p.ownedLinks(ctx, site); broken == nil { // else it is asked for by nobody that could be told
		owner := owned.above(name)
		for i := 0; file != nil && owner.host == nil && i < len(file.Links); i++ {
			owner = owned.byPath[file.Links[i]]
		}
		if owner.host != nil {
			given = Given{Host: owner.host.Name, Bootloader: owner.bootloader}
		}
	}
	if err != nil {
		return given, err
	}
	given.is(file)
	return given, nil
}

// ownedLinks tells which names below the TFTP root are whose links. They are made
// of the configuration file alone, so that they hold for as long as an inventory.
type ownedLinks struct {
	view   *pxepilot.View // of which only the names are looked at
	byPath map[string]owner
}

type owner struct {
	host       *pxepilot.Host
	bootloader string
}

func (p *Pilot) ownedLinks(ctx context.Context, site *Site) (*ownedLinks, error) {
	if known := p.owned.Load(); known != nil && known.view.Inventory == site.Inventory {
		return known, nil
	}
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		return nil, err
	}
	o := &ownedLinks{view, map[string]owner{}}
	for i := range view.Hosts {
		for _, l := range view.Hosts[i].Links {
			o.byPath[l.Path] = owner{view.Hosts[i].Host, l.Bootloader}
		}
	}
	p.owned.Store(o)
	return o, nil
}

// above finds the link that a path is, or is below of where links are directories.
func (o *ownedLinks) above(name string) owner {
	for p := path.Clean("/" + name)[1:]; p != "" && p != "."; p = path.Dir(p) {
		if owner, ok := o.byPath[p]; ok {
			return owner
		}
	}
	return owner{}
}
