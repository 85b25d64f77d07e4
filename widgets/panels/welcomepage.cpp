// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/welcomepage.h"

#include "widgets/theme.h"

#include <QCommandLinkButton>
#include <QDir>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileInfo>
#include <QFrame>
#include <QGridLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QListWidget>
#include <QMimeData>
#include <QPainter>
#include <QPushButton>
#include <QScrollArea>

namespace ql {
namespace {

constexpr int kContentWidth = 760;

/// "~/models/x" for what lies in the home folder.
QString folderText(const QString& path)
{
    const QString folder = QFileInfo(path).absolutePath();
    const QString home = QDir::homePath();
    return folder.startsWith(home + '/') ? '~' + folder.mid(home.size()) : folder;
}

} // namespace

struct WelcomePage::Private {
    WelcomePage* q;
    QLabel* dropZone;
    QListWidget* recent;
    QLabel* recentHeading;
    bool hovering = false;

    QLabel* heading(const QString& text);
    QLayout* buildOpen();
    QLayout* buildRecent();
    QLayout* buildTasks();
    QCommandLinkButton* task(Task what, const QString& icon, const QString& title, const QString& text);
    void open(const QListWidgetItem* item);
    void setHovering(bool on);
};

QLabel* WelcomePage::Private::heading(const QString& text)
{
    auto* label = new QLabel(text, q);
    QFont font = label->font();
    font.setBold(true);
    label->setFont(font);
    return label;
}

QLayout* WelcomePage::Private::buildOpen()
{
    auto* column = new QVBoxLayout;
    column->setSpacing(theme::kSpacing);
    column->addWidget(heading(tr("Open a model")));
    auto* file = new QPushButton(theme::icon(QStringLiteral("document")), tr("Open file…"), q);
    file->setToolTip(tr("A safetensors, GGUF, NPY or NPZ file"));
    auto* folder = new QPushButton(theme::icon(QStringLiteral("open")), tr("Open folder…"), q);
    folder->setToolTip(tr("A Hugging Face folder with config.json and one or more safetensors files"));
    auto* row = new QHBoxLayout;
    row->addWidget(file);
    row->addWidget(folder);
    column->addLayout(row);
    dropZone = new QLabel(tr("or drop a file or folder anywhere here\nsafetensors · GGUF · NPY · NPZ"), q);
    dropZone->setAlignment(Qt::AlignCenter);
    dropZone->setMinimumHeight(88);
    dropZone->setForegroundRole(QPalette::PlaceholderText);
    column->addWidget(dropZone);
    auto* bundled = new QPushButton(theme::icon(QStringLiteral("model")), tr("Open the bundled model"), q);
    bundled->setToolTip(tr("A small Llama-shaped model that comes with the program"));
    column->addWidget(bundled);
    auto* outliers = new QPushButton(theme::icon(QStringLiteral("flask")), tr("… its copy with outlier channels"), q);
    column->addWidget(outliers);
    auto* note = new QLabel(tr("In the copy, outlier channels were planted on purpose, without changing what the model "
                               "computes: it shows what large models look like."),
                            q);
    note->setFont(theme::smallFont());
    note->setWordWrap(true);
    note->setForegroundRole(QPalette::PlaceholderText);
    outliers->setToolTip(note->text());
    column->addWidget(note);
    column->addStretch(1);
    connect(file, &QPushButton::clicked, q, &WelcomePage::openFileRequested);
    connect(folder, &QPushButton::clicked, q, &WelcomePage::openFolderRequested);
    connect(bundled, &QPushButton::clicked, q, [this] { Q_EMIT q->openBundledRequested(false); });
    connect(outliers, &QPushButton::clicked, q, [this] { Q_EMIT q->openBundledRequested(true); });
    return column;
}

QLayout* WelcomePage::Private::buildRecent()
{
    auto* column = new QVBoxLayout;
    column->setSpacing(theme::kSpacing);
    recentHeading = heading(tr("Recent models"));
    column->addWidget(recentHeading);
    recent = new QListWidget(q);
    recent->setAccessibleName(tr("Recent models"));
    recent->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    recent->setTextElideMode(Qt::ElideMiddle);
    recent->setMinimumHeight(200);
    recent->setStyleSheet(QStringLiteral("QListView::item { padding: 4px 8px; }"));
    column->addWidget(recent, 1);
    recent->installEventFilter(q);
    connect(recent, &QListWidget::itemClicked, q, [this](QListWidgetItem* item) { open(item); });
    return column;
}

void WelcomePage::Private::open(const QListWidgetItem* item)
{
    if (item && (item->flags() & Qt::ItemIsEnabled))
        Q_EMIT q->openPathRequested(item->data(Qt::UserRole).toString());
}

QCommandLinkButton* WelcomePage::Private::task(Task what, const QString& icon, const QString& title, const QString& text)
{
    auto* button = new QCommandLinkButton(title, text, q);
    button->setIcon(theme::icon(icon));
    button->setIconSize(QSize(20, 20));
    connect(button, &QCommandLinkButton::clicked, q, [this, what] { Q_EMIT q->taskRequested(what); });
    return button;
}

QLayout* WelcomePage::Private::buildTasks()
{
    auto* column = new QVBoxLayout;
    column->setSpacing(theme::kSpacing / 2);
    column->addWidget(heading(tr("Or begin with a task, on the bundled model")));
    auto* row = new QHBoxLayout;
    row->setSpacing(theme::kSpacing);
    row->addWidget(task(Task::SeeALayer, QStringLiteral("wave"), tr("See a layer"),
                        tr("Its weights against the levels of INT4, and what clipping costs.")));
    row->addWidget(task(Task::CompareInt4WithNf4, QStringLiteral("compare"), tr("INT4 against NF4"),
                        tr("Even levels against levels that follow the weights.")));
    row->addWidget(task(Task::MakeAPolicy, QStringLiteral("rule"), tr("Make a policy"),
                        tr("Choose per layer, watch size and error, and save the recipe.")));
    column->addLayout(row);
    return column;
}

void WelcomePage::Private::setHovering(bool on)
{
    hovering = on;
    q->update();
}

WelcomePage::WelcomePage(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    setAcceptDrops(true);
    auto* title = new QLabel(tr("See what quantization does to a language model"), this);
    QFont font = title->font();
    font.setPointSizeF(font.pointSizeF() * 1.5);
    title->setFont(font);

    auto* content = new QWidget(this);
    content->setMaximumWidth(kContentWidth);
    auto* grid = new QGridLayout(content);
    grid->setContentsMargins(2 * theme::kSpacing, 2 * theme::kSpacing, 2 * theme::kSpacing, 2 * theme::kSpacing);
    grid->setHorizontalSpacing(4 * theme::kSpacing);
    grid->setVerticalSpacing(3 * theme::kSpacing);
    grid->addWidget(title, 0, 0, 1, 2);
    grid->addLayout(d->buildOpen(), 1, 0);
    grid->addLayout(d->buildRecent(), 1, 1);
    grid->addLayout(d->buildTasks(), 2, 0, 1, 2);
    grid->setColumnStretch(0, 1);
    grid->setColumnStretch(1, 1);

    auto* centre = new QGridLayout(this);
    centre->setContentsMargins(0, 0, 0, 0);
    centre->addWidget(content, 1, 1);
    centre->setRowStretch(0, 1);
    centre->setRowStretch(2, 2);
    centre->setColumnStretch(0, 1);
    centre->setColumnStretch(1, 100);
    centre->setColumnStretch(2, 1);
    setRecentModels({});
}

WelcomePage::~WelcomePage() = default;

void WelcomePage::setRecentModels(const QStringList& paths)
{
    d->recent->clear();
    for (const QString& path : paths) {
        const bool exists = QFileInfo::exists(path);
        const QString name = QFileInfo(path).fileName();
        auto* item = new QListWidgetItem(name + '\n' + folderText(path), d->recent);
        item->setData(Qt::UserRole, path);
        item->setToolTip(exists ? path : tr("%1 is no longer there").arg(path));
        if (!exists) {
            item->setText(name + QLatin1Char('\n') + tr("missing: %1").arg(folderText(path)));
            item->setFlags(item->flags() & ~Qt::ItemIsEnabled);
        }
    }
    if (paths.isEmpty()) {
        auto* item = new QListWidgetItem(tr("Models that you open will be listed here."), d->recent);
        item->setFlags(Qt::NoItemFlags);
    }
}

bool WelcomePage::eventFilter(QObject* watched, QEvent* event)
{
    // Not QListWidget::itemActivated: a double click would open the model twice.
    if (watched == d->recent && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Return || key == Qt::Key_Enter) {
            d->open(d->recent->currentItem());
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

QString WelcomePage::droppedPath(const QMimeData* data)
{
    const auto urls = data->urls();
    for (const QUrl& url : urls) {
        if (url.isLocalFile())
            return url.toLocalFile();
    }
    return {};
}

void WelcomePage::dragEnterEvent(QDragEnterEvent* event)
{
    if (droppedPath(event->mimeData()).isEmpty())
        return;
    event->acceptProposedAction();
    d->setHovering(true);
}

void WelcomePage::dragLeaveEvent(QDragLeaveEvent*)
{
    d->setHovering(false);
}

void WelcomePage::dropEvent(QDropEvent* event)
{
    d->setHovering(false);
    const QString path = droppedPath(event->mimeData());
    if (path.isEmpty())
        return;
    event->acceptProposedAction();
    Q_EMIT openPathRequested(path);
}

void WelcomePage::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF zone(d->dropZone->mapTo(this, QPoint(0, 0)), QSizeF(d->dropZone->size()));
    painter.setPen(QPen(d->hovering ? theme::color(Ink::Accent) : palette().color(QPalette::Mid), d->hovering ? 2 : 1,
                        Qt::DashLine));
    painter.setBrush(d->hovering ? theme::color(Ink::InfoBackground) : palette().color(QPalette::Base));
    painter.drawRoundedRect(zone.adjusted(1, 1, -1, -1), 6, 6);
}

} // namespace ql
