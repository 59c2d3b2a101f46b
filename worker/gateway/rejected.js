// A request that the gateway does not carry out, with the HTTP status that says why.

export class Rejected extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}
