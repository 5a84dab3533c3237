// Package pilot holds the use cases: list, show, explain, deploy, clear, repair, power,
// discover. Every rule about what may be done to a host is here, once: the HTTP API and whatever
// other edge there is only translate. The package declares the small interfaces
// that it needs; the rooms that do I/O satisfy them without knowing.
//
// Everything that is done to links, by whomever, is written down: journal.go holds
// what is known, record.go writes a change of ours, before and after, reconcile.go
// what came of one that was cut off, drift.go and contents.go what others changed.
// history.go tells it, and undo.go takes it back.
//
// A host may be armed: what it boots is meant once. oneshot.go says how a deploy is
// meant, armings.go what is armed, and rearm.go what becomes of that by a record;
// callback.go hears from machines how it went, expire.go switches those whose time is
// over, both by onward.go, and putback.go those that could not be rebooted.
package pilot

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Root is the TFTP root: what is seen in it, and how it is changed.
type Root interface {
	// View tells what is there now for the hosts of an inventory.
	View(context.Context, *pxepilot.Inventory) (*pxepilot.View, error)
	// Read returns the variants of a configuration, in declared order.
	Read(ctx context.Context, configuration string) ([]pxepilot.Variant, error)
	// Change asks decide, under the lock, what to do about a fresh view, and
	// does it: all of it or nothing. A dry run stops before anything is written.
	Change(ctx context.Context, inv *pxepilot.Inventory, dryRun bool,
		decide func(*pxepilot.View) ([]pxepilot.Move, error)) ([]pxepilot.Step, error)
}

// A Site is everything that the configuration file tells. It is immutable; a
// reload makes another.
type Site struct {
	Inventory   *pxepilot.Inventory
	Bootloaders []pxepilot.Bootloader // that machines boot by, with their link templates
	Declared    bool                  // the file declares them; else there is the default one
	Root        Root
	Explainer   Explainer
	Files       Files
	Texts       Texts                       // nil where nobody looks whether contents change
	Recover     func(context.Context) error // resolves what a crash left in the root; nil for nothing
	Servers     []TFTPServer                // that machines boot from; empty where the file names none
	Verify      bool                        // every deploy that does not say otherwise
	AfterSwitch func(context.Context) error // what has to be done before machines see a switch; nil for nothing
	Rules       map[string]pxepilot.Rule    // how deploys of configurations are meant that do not say so
}

// A Pilot answers what every machine will boot next, and changes it.
type Pilot struct {
	site       func() *Site
	reload     func() error
	power      Power
	discoverer Discoverer
	timing     Timing
	sweep      sweep
	afterwards turnstile                          // for AfterSwitch
	switches   atomic.Uint64                      // how many there were
	pushed     atomic.Uint64                      // and how many of them AfterSwitch was done for
	addresses  atomic.Pointer[pxepilot.PowerView] // as told last
	owned      atomic.Pointer[ownedLinks]
	fetches    fetches
	book       *book // nil where nothing is written down
}

// Options are what not every Pilot has.
type Options struct {
	Power      Power      // nil where nothing drives the power of any host
	Discoverer Discoverer // nil where nothing looks for BMCs
	Timing     Timing

	Journal  Journal                // nil where nothing is written down
	Required func() bool            // a change that cannot be written down is not made; nil for always
	Clock    func() pxepilot.Moment // counts from when the Pilot was made unless told
	Log      *slog.Logger           // of what nobody asked for; nil for none
}

// New makes a Pilot. site returns the current site, and reloadError what was
// wrong with the last attempt to read it anew, or nil.
func New(site func() *Site, reloadError func() error, o Options) *Pilot {
	p := &Pilot{site: site, reload: reloadError, power: o.Power, discoverer: o.Discoverer, timing: o.Timing.orDefault(), book: newBook(o)}
	p.switches.Store(1) // of an earlier server, which may have been killed before it was pushed
	return p
}

// Bootloaders lists the bootloaders, and says whether the site declares them, or
// has the default one, of which its users need not know.
func (p *Pilot) Bootloaders() (loaders []pxepilot.Bootloader, declared bool) {
	site := p.site()
	return site.Bootloaders, site.Declared
}

// Hosts lists all hosts with what their links say. The view is the same pointer
// for as long as nothing changed.
func (p *Pilot) Hosts(ctx context.Context) (*pxepilot.View, error) {
	site := p.site()
	return site.Root.View(ctx, site.Inventory)
}

// Host tells about one host, named by its name or one of its MAC addresses.
func (p *Pilot) Host(ctx context.Context, ref string) (*pxepilot.HostStatus, error) {
	site := p.site()
	h, err := findHost(site.Inventory, ref)
	if err != nil {
		return nil, err
	}
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		return nil, err
	}
	return view.Of(h), nil
}

func findHost(inv *pxepilot.Inventory, ref string) (*pxepilot.Host, error) {
	if err := checkName("host", ref); err != nil {
		return nil, err
	}
	h := inv.Find(ref)
	if h == nil {
		return nil, hostNotFound(inv, ref)
	}
	return h, nil
}

// Configurations lists all boot configurations, sorted by name.
func (p *Pilot) Configurations(ctx context.Context) ([]pxepilot.Configuration, error) {
	view, err := p.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	return view.Configurations, nil
}

// Configuration returns the variants of a configuration, in declared order: all
// of them, or the one for bootloader where that is not empty.
func (p *Pilot) Configuration(ctx context.Context, name, bootloader string) ([]pxepilot.Variant, error) {
	if err := checkName("configuration", name); err != nil {
		return nil, err
	}
	site := p.site()
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		return nil, err
	}
	c, ok := view.Configuration(name)
	if !ok {
		return nil, configurationNotFound(view, name)
	}
	if bootloader != "" && !c.Covers(bootloader) {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "configuration %s has no variant for bootloader %s%s",
			pxepilot.Quote(name), pxepilot.Quote(bootloader), pxepilot.DidYouMean(bootloader, c.Bootloaders))
	}
	variants, err := site.Root.Read(ctx, name)
	if err != nil || bootloader == "" {
		return variants, err
	}
	for _, v := range variants {
		if v.Bootloader == bootloader {
			return []pxepilot.Variant{v}, nil
		}
	}
	return nil, configurationNotFound(view, name)
}

// Health is what is wrong with the site as a whole.
type Health struct {
	Reload error // the configuration file could not be reloaded; the last good state is in force
	Root   error // the TFTP root cannot be read
}

// Health looks whether the program can do its work.
func (p *Pilot) Health(ctx context.Context) Health {
	_, err := p.Hosts(ctx)
	return Health{Reload: p.reload(), Root: err}
}

// checkName refuses names that could not be anybody's. Root only ever gets names
// that passed here, whichever edge they came in by.
func checkName(of, name string) error {
	if err := pxepilot.CheckName(name); err != nil {
		return pxepilot.Errorf(pxepilot.Invalid, "%s: %v", of, err)
	}
	return nil
}

func hostNotFound(inv *pxepilot.Inventory, ref string) error {
	return pxepilot.Errorf(pxepilot.NotFound, "host %s not found%s", pxepilot.Quote(ref), pxepilot.DidYouMean(ref, inv.Names()))
}

func configurationNotFound(view *pxepilot.View, name string) error {
	names := make([]string, len(view.Configurations))
	for i, c := range view.Configurations {
		names[i] = c.Name
	}
	return pxepilot.Errorf(pxepilot.NotFound, "configuration %s not found%s", pxepilot.Quote(name), pxepilot.DidYouMean(name, names))
}
