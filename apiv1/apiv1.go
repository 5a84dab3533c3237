// Package apiv1 is version 1 of the HTTP API as Go types and as OpenAPI: the
// contract that the server and the client share. openapi.yaml, written by hand,
// is the reference; tests hold the server, these types and it together.
package apiv1

import _ "embed"

// OpenAPI is the contract as an OpenAPI 3.1 document.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Error is the body of every answer of status 400 and above.
type Error struct {
	Message string `json:"message"`
}

// Configurations is the answer of GET /v1/configurations.
type Configurations struct {
	Configurations []Configuration `json:"configurations"`
}

// Configuration is a boot configuration in a list.
type Configuration struct {
	Name        string   `json:"name"`
	Bootloaders []string `json:"bootloaders,omitempty"` // where the site declares bootloaders
}

// ConfigurationContent is the answer of GET /v1/configurations/{name}.
type ConfigurationContent struct {
	Name     string    `json:"name"`
	Content  string    `json:"content"` // of the first variant, or of the one asked for
	Variants []Variant `json:"variants,omitempty"`
}

// Variant is what a configuration contains for one bootloader.
type Variant struct {
	Bootloader string `json:"bootloader"`
	Content    string `json:"content"`
}

// Bootloaders is the answer of GET /v1/bootloaders.
type Bootloaders struct {
	Bootloaders []Bootloader `json:"bootloaders"`
}

// Bootloader is a declared bootloader.
type Bootloader struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind,omitempty"`
	File       string   `json:"file,omitempty"`
	ConfigPath string   `json:"configPath,omitempty"`
	Links      []string `json:"links"` // templates, below the TFTP root
}

// Host is a host with what its links say. GET /v1/hosts answers a plain array
// of them, GET /v1/hosts/{name} one.
type Host struct {
	Name          string            `json:"name"`
	MACAddresses  []string          `json:"macAddresses"`
	Configuration *ConfigurationRef `json:"configuration"` // null unless State is "configured"
	State         string            `json:"state"`
	Canonical     bool              `json:"canonical"` // switches as a whole by one rename per loader
	Links         []Link            `json:"links"`
	Labels        map[string]string `json:"labels,omitempty"`
	Bootloaders   []string          `json:"bootloaders,omitempty"` // the only ones that count
	IPMI          *IPMI             `json:"ipmi,omitempty"`
	PowerState    string            `json:"powerState,omitempty"` // On, Off or Unknown, where known
}

// ConfigurationRef names a configuration.
type ConfigurationRef struct {
	Name string `json:"name"`
}

// IPMI tells where the BMC of a host is. It never tells credentials.
type IPMI struct {
	MACAddress string `json:"macAddress,omitempty"`
	Hostname   string `json:"hostname,omitempty"`
}

// Link is one name that a loader of a host asks for.
type Link struct {
	Bootloader    string   `json:"bootloader"`
	MACAddress    string   `json:"macAddress,omitempty"` // empty where no MAC address is part of the name
	Path          string   `json:"path"`                 // below the TFTP root
	Target        string   `json:"target,omitempty"`     // text of the symbolic link
	State         string   `json:"state"`
	Configuration string   `json:"configuration,omitempty"`
	Through       []string `json:"through,omitempty"` // links that it leads through
}

// HostRef names a host in a request: by name, by MAC address, or by both, which
// must then agree.
type HostRef struct {
	Name       string `json:"name,omitempty"`
	MACAddress string `json:"mac_address,omitempty"` // "macAddress" means the same
}

// Change is the body of PUT /v1/configurations/{name}/deploy, PUT /v1/clear and
// PUT /v1/repair.
type Change struct {
	Hosts         []HostRef `json:"hosts,omitempty"`
	All           bool      `json:"all,omitempty"`           // repair only: every host
	DryRun        bool      `json:"dryRun,omitempty"`        // answer the plan, change nothing
	SkipRefused   bool      `json:"skipRefused,omitempty"`   // do what can be done, report the rest
	DropUncovered bool      `json:"dropUncovered,omitempty"` // deploy only
	Force         bool      `json:"force,omitempty"`         // deploy and clear only
}

// Outcome is the answer to a Change where there is one to show: with "Prefer:
// return=representation", DryRun or SkipRefused.
type Outcome struct {
	Hosts []HostOutcome `json:"hosts"`
	Steps []Step        `json:"steps,omitempty"` // of a dry run
}

// HostOutcome tells what was done to one host.
type HostOutcome struct {
	Name          string `json:"name"`
	Configuration string `json:"configuration"` // empty when cleared
	Rebooted      string `json:"rebooted"`      // YES, NO or ERROR
	Refused       string `json:"refused,omitempty"`
}

// Step is one rename of a plan.
type Step struct {
	Host       string `json:"host"`
	Bootloader string `json:"bootloader"`
	Path       string `json:"path"`              // below the TFTP root
	Was        string `json:"was,omitempty"`     // text of the link before; empty when there was none
	Becomes    string `json:"becomes,omitempty"` // text after; empty when it goes
	Keep       string `json:"keep,omitempty"`    // where a file in the way is kept
}

// Health is the answer of GET /v1/health.
type Health struct {
	Status string `json:"status"`           // "ok", "degraded" or "failing"
	Reload string `json:"reload,omitempty"` // why the configuration file could not be reloaded
	Root   string `json:"root,omitempty"`   // why the TFTP root cannot be read
}
