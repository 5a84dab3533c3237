package httpapi

import (
	"net/http"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (a *api) listConfigurations(w http.ResponseWriter, r *http.Request) error {
	configurations, err := a.pilot.Configurations(r.Context())
	if err != nil {
		return err
	}
	list := make([]apiv1.Configuration, len(configurations))
	for i, c := range configurations {
		list[i].Name = c.Name
		if a.declaresBootloaders() {
			list[i].Bootloaders = c.Bootloaders
		}
	}
	writeJSON(w, http.StatusOK, apiv1.Configurations{Configurations: list})
	return nil
}

func (a *api) showConfiguration(w http.ResponseWriter, r *http.Request) error {
	name, bootloader := r.PathValue("name"), r.URL.Query().Get("bootloader")
	variants, err := a.pilot.Configuration(r.Context(), name, bootloader)
	if err != nil {
		return err
	}
	if len(variants) == 0 {
		return pxepilot.Errorf(pxepilot.NotFound, "configuration %s went away", pxepilot.Quote(name))
	}
	answer := apiv1.ConfigurationContent{Name: name, Content: variants[0].Content}
	if bootloader == "" && a.declaresBootloaders() {
		for _, v := range variants {
			answer.Variants = append(answer.Variants, apiv1.Variant(v))
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// declaresBootloaders says whether configurations have variants to tell of. A
// site that declares none has one loader, of which its users need not know.
func (a *api) declaresBootloaders() bool {
	_, declared := a.pilot.Bootloaders()
	return declared
}

func (a *api) listBootloaders(w http.ResponseWriter, _ *http.Request) error {
	answer := apiv1.Bootloaders{Bootloaders: []apiv1.Bootloader{}}
	loaders, _ := a.pilot.Bootloaders()
	for _, b := range loaders {
		answer.Bootloaders = append(answer.Bootloaders, apiv1.Bootloader{
			Name: b.Name, Kind: string(b.Kind), File: b.File, ConfigPath: b.ConfigPath, Links: append([]string{}, b.Links...),
		})
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (a *api) listHosts(w http.ResponseWriter, r *http.Request) error {
	status, err := flag(r, "status", true)
	if err != nil {
		return err
	}
	view, err := a.pilot.Hosts(r.Context())
	if err != nil {
		return err
	}
	body, power := a.hosts.bare.of, a.pilot.Addresses
	if status {
		body, power = a.hosts.powered.of, func() *pxepilot.PowerView { return a.pilot.Powers(r.Context()) }
	}
	writeBody(w, http.StatusOK, "application/json", body(view, power(), a.pilot.Armings()))
	return nil
}

func (a *api) showHost(w http.ResponseWriter, r *http.Request) error {
	status, err := flag(r, "status", true)
	if err != nil {
		return err
	}
	h, err := a.pilot.Host(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	power := a.pilot.Addresses
	if status {
		power = func() *pxepilot.PowerView { return a.pilot.Powers(r.Context()) }
	}
	body := appendHost(nil, h, power(), a.pilot.Armings())
	if f, ok := a.pilot.LastFetch(h.Host.Name); ok {
		body = appendFetch(append(body, `,"lastFetch":`...), f)
	}
	writeBody(w, http.StatusOK, "application/json", append(body, "}\n"...))
	return nil
}

func (a *api) showContract(w http.ResponseWriter, _ *http.Request) error {
	writeBody(w, http.StatusOK, "application/yaml", apiv1.OpenAPI)
	return nil
}
