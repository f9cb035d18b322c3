// Before anything is painted: the theme chosen earlier, else the system's.
document.documentElement.dataset.theme = localStorage.getItem("cotgen-theme") || "";
