package simorg

import "net/http"

// limits answers with live counters for the calls and the delivered events, and with those of a quiet org for the rest.
func (c *call) limits() *reply {
	used, most := c.o.Usage()
	delivered, deliveries := c.o.Deliveries()
	jobs, mostJobs := c.o.BulkUsage()
	type limit struct {
		Max       int `json:"Max"`
		Remaining int `json:"Remaining"`
	}
	full := func(n int) limit { return limit{n, n} }
	return jsonReply(http.StatusOK, map[string]any{
		"DailyApiRequests":                     limit{most, max(0, most-used)},
		"DailyBulkV2QueryJobs":                 limit{mostJobs, max(0, mostJobs-jobs)},
		"DailyBulkV2QueryFileStorageMB":        full(976562),
		"DailyBulkApiBatches":                  full(15000),
		"DailyAsyncApexExecutions":             full(250000),
		"DailyDeliveredPlatformEvents":         limit{deliveries, max(0, deliveries-delivered)},
		"DailyStandardVolumePlatformEvents":    full(25000),
		"HourlyPublishedPlatformEvents":        full(50000),
		"DailyStreamingApiEvents":              full(10000),
		"StreamingApiConcurrentClients":        full(20),
		"DurableStreamingApiConcurrentClients": full(20),
		"ConcurrentSyncGetReportInstances":     full(20),
		"DataStorageMB":                        limit{10240, 10112},
		"FileStorageMB":                        full(10240),
		"SingleEmail":                          full(5000),
		"MassEmail":                            full(5000),
		"PermissionSets": map[string]any{
			"Max": 1500, "Remaining": 1491, "CreateCustom": limit{1000, 991},
		},
	})
}
