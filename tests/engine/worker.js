// wrangler dev needs a worker to start; the tests speak to the explorer's API beside it.
export default { fetch: () => new Response("d1lab") };
