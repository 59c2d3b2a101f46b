// d1lab in JupyterLab: SQL in %%d1 cells is highlighted, and lab.controls() runs the cells below.
//
// A prebuilt extension without a build step: JupyterLab loads this file and asks the container below
// for its plugin. The plugin uses nothing but the objects that JupyterLab passes to it.
(() => {
  "use strict";

  const MAGIC = /^\s*%%d1\b/;
  const SQL = "text/x-sql";
  const TARGET = "d1lab.controls";

  // Code cells that begin with %%d1 have the language SQL, all others that of the notebook.
  const highlight = (content, model) => {
    if (model.type !== "code") return;
    const wanted = MAGIC.test(model.sharedModel.getSource()) ? SQL : content.codeMimetype;
    if (model.mimeType !== wanted) model.mimeType = wanted;
  };

  const watchCells = (content) => {
    const watched = new WeakSet();
    const watch = () => {
      for (const cell of content.model?.cells ?? []) {
        highlight(content, cell);
        if (watched.has(cell)) continue;
        watched.add(cell);
        cell.sharedModel.changed.connect(() => highlight(content, cell));
        cell.mimeTypeChanged.connect(() => highlight(content, cell)); // the kernel names its language
      }
    };
    const follow = () => {
      content.model?.cells.changed.connect(watch);
      watch();
    };
    content.modelChanged.connect(follow);
    follow();
  };

  const isParameters = (cell) => (cell.model.getMetadata("tags") ?? []).includes("parameters");

  // The code cells below the parameters, without the one that shows the controls.
  const cellsBelow = (content, controls) => {
    const cells = [...content.widgets];
    const own = cells.findIndex((cell) => cell.node.querySelector(`.${controls}`));
    const first = cells.findIndex(isParameters);
    const start = first >= 0 ? first : own;
    return cells.filter((cell, i) => i > start && i !== own && cell.model.type === "code");
  };

  // Run cells in order, up to the first error.
  const runBelow = async (panel, controls) => {
    for (const cell of cellsBelow(panel.content, controls)) {
      if (cell.isDisposed || !cell.model.sharedModel.getSource().trim()) continue;
      const reply = await cell.constructor.execute(cell, panel.sessionContext);
      if (reply && reply.content.status !== "ok") return;
    }
  };

  // A change while the cells run makes them run once more, however many changes there are.
  const answerControls = (panel) => {
    let running = Promise.resolve();
    let waiting = false;
    const enqueue = (controls) => {
      if (waiting) return;
      waiting = true;
      const run = () => {
        waiting = false;
        return runBelow(panel, controls);
      };
      running = running.then(run, run);
    };
    const onKernel = () => {
      panel.sessionContext.session?.kernel?.registerCommTarget(TARGET, (comm, message) => {
        comm.send({ received: true });
        enqueue(message.content.data.controls);
      });
    };
    panel.sessionContext.kernelChanged.connect(onKernel);
    onKernel();
  };

  const plugin = {
    id: "d1lab:notebook",
    autoStart: true,
    activate: (app) => {
      app.docRegistry.addWidgetExtension("Notebook", {
        createNew: (panel) => {
          watchCells(panel.content);
          answerControls(panel);
        },
      });
    },
  };

  const extensions = (window._JUPYTERLAB = window._JUPYTERLAB || {});
  extensions.d1lab = { init: () => {}, get: async () => () => ({ __esModule: true, default: plugin }) };
})();
