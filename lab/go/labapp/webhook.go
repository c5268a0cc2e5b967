// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"time"
)

// The parts of admission.k8s.io/v1 AdmissionReview that a verdict on a pod's labels needs.
type admissionReview struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Request    *admissionRequest  `json:"request,omitempty"`
	Response   *admissionResponse `json:"response,omitempty"`
}

type admissionRequest struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Object    struct {
		Metadata struct {
			Name         string            `json:"name"`
			GenerateName string            `json:"generateName"`
			Labels       map[string]string `json:"labels"`
		} `json:"metadata"`
	} `json:"object"`
}

type admissionResponse struct {
	UID     string           `json:"uid"`
	Allowed bool             `json:"allowed"`
	Status  *admissionStatus `json:"status,omitempty"`
}

type admissionStatus struct {
	Message string `json:"message"`
	Code    int    `json:"code"`
}

const requiredLabel = "app"

// review allows a pod that carries the required label. Which namespaces it is asked about is the configuration's matter.
func review(request *admissionRequest) *admissionResponse {
	meta := request.Object.Metadata
	if meta.Labels[requiredLabel] != "" {
		return &admissionResponse{UID: request.UID, Allowed: true}
	}
	name := meta.Name
	if name == "" {
		name = meta.GenerateName + "*"
	}
	message := fmt.Sprintf("pod %s/%s has no label %q", request.Namespace, name, requiredLabel)
	return &admissionResponse{UID: request.UID, Status: &admissionStatus{message, http.StatusForbidden}}
}

// webhook serves POST /validate (AdmissionReview v1) over TLS.
func webhook(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("webhook", flag.ExitOnError)
	listen := flags.String("listen", ":8443", "address to listen on")
	cert := flags.String("cert", "/tls/tls.crt", "certificate (PEM)")
	key := flags.String("key", "/tls/tls.key", "its private key (PEM)")
	delay := flags.Duration("drain-delay", 5*time.Second, "how long to go on serving after SIGTERM")
	flags.Parse(arguments)

	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /validate", func(w http.ResponseWriter, r *http.Request) {
		var asked admissionReview
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20)).Decode(&asked)
		if err != nil || asked.Request == nil {
			http.Error(w, "the body is no AdmissionReview with a request", http.StatusBadRequest)
			return
		}
		writeJSON(w, admissionReview{APIVersion: asked.APIVersion, Kind: asked.Kind, Response: review(asked.Request)})
	})
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return serve(ctx, &http.Server{Addr: *listen, Handler: mux, TLSConfig: config}, mux, *delay)
}
