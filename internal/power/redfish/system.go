package redfish

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// servicePath is where every service begins (DSP0266, Redfish-defined URIs).
const servicePath = "/redfish/v1/"

// A link refers to a resource by its path.
type link struct {
	Path string `json:"@odata.id"`
}

// root is what matters of the ServiceRoot.
type root struct {
	Systems link
	Links   struct{ Sessions link }
}

// collection is a page of a collection of resources.
type collection struct {
	Members []link
	Next    string `json:"Members@odata.nextLink"`
}

// system is what matters of a ComputerSystem. Everything else is skipped
// unread, so that an odd value elsewhere harms nobody.
type system struct {
	ID         string `json:"Id"`
	ETag       string `json:"@odata.etag"`
	PowerState *string
	Boot       struct {
		Targets []string `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
		Mode    *string  `json:"BootSourceOverrideMode"`
		Modes   []string `json:"BootSourceOverrideMode@Redfish.AllowableValues"`
	}
	Actions struct {
		Reset struct {
			Target string   `json:"target"`
			Info   string   `json:"@Redfish.ActionInfo"`
			Types  []string `json:"ResetType@Redfish.AllowableValues"`
		} `json:"#ComputerSystem.Reset"`
	}
	Settings struct {
		Object link `json:"SettingsObject"`
	} `json:"@Redfish.Settings"`
}

// actionInfo lists what an action's parameters may be.
type actionInfo struct {
	Parameters []struct {
		Name   string
		Values []string `json:"AllowableValues"`
	}
}

// settings is the path of the resource that holds the system's settings after
// the next reset, where it is another one.
func (s system) settings() string { return s.Settings.Object.Path }

// power translates PowerState. On the way from one state to the other neither
// is true, and which of them a reset would meet nobody knows.
func (s system) power() (pxepilot.PowerState, error) {
	switch {
	case s.PowerState == nil:
		return pxepilot.PowerUnknown, says("does not tell whether system %s is on", pxepilot.Quote(s.ID))
	case *s.PowerState == "On", *s.PowerState == "Paused":
		return pxepilot.PowerOn, nil
	case *s.PowerState == "Off":
		return pxepilot.PowerOff, nil
	case *s.PowerState == "PoweringOn", *s.PowerState == "PoweringOff":
		return pxepilot.PowerUnknown, says("is just about to change the power (%s); ask again in a moment", *s.PowerState)
	}
	return pxepilot.PowerUnknown, says("tells the power state %s, which is none of Redfish's", pxepilot.Quote(*s.PowerState))
}

// readSystem reads the system, after it was found once.
func (c *Controller) readSystem(ctx context.Context) (system, error) {
	var s system
	if c.path == "" {
		found, err := c.findSystem(ctx)
		if err != nil {
			return s, err
		}
		c.path = found
	}
	a, err := c.ask(ctx, request{method: http.MethodGet, path: c.path})
	if err != nil {
		if refusedFor(err, http.StatusNotFound) {
			c.path, c.root = "", nil // a new firmware may order things anew
		}
		return s, err
	}
	if err := a.decode(&s); err != nil {
		return s, err
	}
	if s.ID == "" {
		s.ID = path.Base(c.path)
	}
	if a.etag != "" {
		s.ETag = a.etag
	}
	return s, nil
}

// findSystem looks the system's path up in the service's list.
func (c *Controller) findSystem(ctx context.Context) (string, error) {
	if err := c.login(ctx); err != nil {
		return "", err
	}
	if err := c.readRoot(ctx); err != nil {
		return "", err
	}
	next := c.root.Systems.Path
	if next == "" {
		return "", says("serves no systems; is redfish.url that of a BMC?")
	}
	var paths, ids []string
	const pages = 16 // more systems than any enclosure holds
	for range pages {
		a, err := c.ask(ctx, request{method: http.MethodGet, path: next})
		if err != nil {
			return "", err
		}
		var page collection
		if err := a.decode(&page); err != nil {
			return "", err
		}
		for _, m := range page.Members {
			paths, ids = append(paths, m.Path), append(ids, path.Base(m.Path))
		}
		if next = page.Next; next == "" {
			break
		}
	}
	switch {
	case c.wanted != "":
		// The last segment of its path is a system's Id (DSP0268).
		i := slices.IndexFunc(paths, func(p string) bool {
			return strings.TrimSuffix(p, "/") == strings.TrimSuffix(c.wanted, "/") || path.Base(p) == c.wanted
		})
		if i < 0 {
			return "", says("has no system %s; it has %s", pxepilot.Quote(c.wanted), list(ids))
		}
		return paths[i], nil
	case len(paths) == 0 || paths[0] == "":
		return "", says("lists no system that it manages")
	case len(paths) > 1:
		return "", says("manages several systems (%s); say which one by redfish.system", list(ids))
	}
	return paths[0], nil
}

// readRoot reads the service root, which is open to everybody, once.
func (c *Controller) readRoot(ctx context.Context) error {
	if c.root != nil {
		return nil
	}
	a, err := c.send(ctx, request{method: http.MethodGet, path: servicePath}, credentials{secrets: c.auth.secrets})
	if no := refused(err); no != nil && 400 <= no.status && no.status < 500 && no.status != http.StatusTooManyRequests {
		return says("does not show its service root, which Redfish leaves open to everybody (%s); "+
			"check that redfish.url is that of the BMC itself and that its Redfish service is on", no).because(err)
	}
	if err != nil {
		return err
	}
	var r root
	if err := a.decode(&r); err != nil {
		return err
	}
	c.root = &r
	return nil
}

// offeredResets are the reset types that the service allows, none if it does
// not tell.
func (c *Controller) offeredResets(ctx context.Context, s system) ([]string, error) {
	if len(s.Actions.Reset.Types) > 0 || s.Actions.Reset.Info == "" {
		return s.Actions.Reset.Types, nil
	}
	a, err := c.ask(ctx, request{method: http.MethodGet, path: s.Actions.Reset.Info})
	if err != nil {
		return nil, err
	}
	var info actionInfo
	if err := a.decode(&info); err != nil {
		return nil, err
	}
	for _, p := range info.Parameters {
		if p.Name == "ResetType" {
			return p.Values, nil
		}
	}
	return nil, nil
}

// decode reads the body of an answer as JSON.
func (a *answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return says("answers nonsense at %s: %s", pxepilot.Quote(a.path), excerpt(string(a.body), a.secrets))
	}
	return nil
}

// list names a few of what a service offers.
func list(names []string) string {
	const most = 8
	var quoted []string
	for _, n := range names[:min(len(names), most)] {
		if len(n) > 30 {
			n = n[:30] + "..."
		}
		quoted = append(quoted, strings.Trim(pxepilot.Quote(n), `"`))
	}
	if len(names) > most {
		quoted = append(quoted, "...")
	}
	if len(quoted) == 0 {
		return "none"
	}
	return strings.Join(quoted, ", ")
}
