// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/ruledialog.h"

#include "core/policy/validation.h"
#include "widgets/models/coretext.h"
#include "widgets/models/schemeedit.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/matchlist.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QRegularExpression>
#include <QSpinBox>
#include <QTimer>

#include <map>

namespace ql {
namespace {

constexpr int kMostLayers = 9999;
constexpr int kTypingMs = 120;

} // namespace

struct RuleDialog::Private {
    RuleDialog* q;
    QCheckBox* byRole;
    QCheckBox* byName;
    QListWidget* roles;
    QLineEdit* pattern;
    QSpinBox* first;
    QSpinBox* last;
    QLineEdit* shape;
    FormatCombo* format;
    QLineEdit* scheme;
    QLineEdit* note;
    QLabel* message;
    QDialogButtonBox* buttons;
    MatchList* matches;
    QTimer typing;
    std::vector<Rule> earlier;

    void buildConditions();
    QLayout* buildForm();
    void show(const Rule& rule);
    QString problem() const;
    void check();
    void count();
    QString misfits(const Policy& policy, const RuleUse& use) const;
    void fillRoles(const Rule& rule);
};

void RuleDialog::Private::buildConditions()
{
    byRole = new QCheckBox(tr("Role is one of"), q);
    byName = new QCheckBox(tr("Name matches"), q);
    roles = new QListWidget(q);
    roles->setFlow(QListView::LeftToRight);
    roles->setWrapping(true);
    roles->setResizeMode(QListView::Adjust);
    roles->setAccessibleName(tr("Roles"));
    pattern = new QLineEdit(q);
    pattern->setPlaceholderText(tr("regular expression, found anywhere in the name"));
    pattern->setAccessibleName(tr("Name pattern"));
    const auto layerBox = [this](const QString& name) {
        auto* box = new QSpinBox(q);
        box->setRange(-1, kMostLayers);
        box->setSpecialValueText(tr("any"));
        box->setAccessibleName(name);
        return box;
    };
    first = layerBox(tr("First block"));
    last = layerBox(tr("Last block"));
    shape = new QLineEdit(q);
    shape->setPlaceholderText(tr("any; 4096x*, *x1024-, *x!%256"));
    shape->setAccessibleName(tr("Shape"));
    shape->setToolTip(tr("Rows x columns (outputs x inputs). Each: * any, 4096 exactly, 1024-4096 a range, 1024- at least, "
                         "-4096 at most, %256 a multiple, !%256 no multiple."));
}

QLayout* RuleDialog::Private::buildForm()
{
    buildConditions();
    format = new FormatCombo(q);
    format->setAccessibleName(tr("Format"));
    scheme = new QLineEdit(q);
    scheme->setAccessibleName(tr("Scheme"));
    scheme->setToolTip(tr("Format and options as in policy files; what is left out takes the format's default: "
                          "int4,asym,group=64,clip=mse."));
    scheme->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    scheme->setPlaceholderText(QStringLiteral("int4,group=128,clip=mse"));
    note = new QLineEdit(q);
    note->setPlaceholderText(tr("why this rule is there"));
    message = new QLabel(q);
    message->setWordWrap(true);
    message->setMinimumHeight(message->fontMetrics().lineSpacing() * 2);
    message->setAccessibleName(tr("What is wrong"));
    auto* blocks = new QHBoxLayout;
    blocks->addWidget(first);
    blocks->addWidget(new QLabel(tr("to"), q));
    blocks->addWidget(last);
    blocks->addStretch(1);
    blocks->setSpacing(theme::kSpacing);
    auto* schemes = new QHBoxLayout;
    schemes->setSpacing(theme::kSpacing);
    schemes->addWidget(format);
    schemes->addWidget(scheme, 1);
    auto* form = new QFormLayout;
    form->setVerticalSpacing(theme::kSpacing);
    form->addRow(new QLabel(tr("For tensors that fulfil all of these:"), q));
    form->addRow(byRole);
    form->addRow(roles);
    form->addRow(byName);
    form->addRow(pattern);
    form->addRow(tr("Blocks"), blocks);
    form->addRow(tr("Shape"), shape);
    form->addRow(tr("Scheme"), schemes);
    form->addRow(tr("Note"), note);
    form->addRow(message);
    const auto changed = [this] { check(); };
    connect(byRole, &QCheckBox::toggled, q, changed);
    connect(byName, &QCheckBox::toggled, q, changed);
    connect(roles, &QListWidget::itemChanged, q, changed);
    for (QLineEdit* line : {pattern, shape, scheme})
        connect(line, &QLineEdit::textChanged, q, changed);
    connect(format, &FormatCombo::formatChosen, q, [this](Format chosen) {
        const auto before = Scheme::parse(scheme->text().toStdString());
        scheme->setText(fromStd((before.ok() ? withFormat(*before, chosen) : Scheme::defaultsFor(chosen)).text()));
    });
    connect(first, &QSpinBox::valueChanged, q, changed);
    connect(last, &QSpinBox::valueChanged, q, changed);
    return form;
}

/// The roles that the open model has, each with its number of tensors, and those of the rule.
void RuleDialog::Private::fillRoles(const Rule& rule)
{
    std::map<TensorRole, int> present;
    if (matches->model()) {
        for (const TensorInfo& tensor : matches->model()->tensors())
            ++present[tensor.role];
    }
    const QSignalBlocker blocker(roles);
    roles->clear();
    int widest = 0;
    for (const TensorRole role : allRoles()) {
        const bool chosen = std::find(rule.roles.begin(), rule.roles.end(), role) != rule.roles.end();
        if (matches->model() && !chosen && !present.contains(role))
            continue;
        const QString name = fromStd(roleName(role));
        auto* item = new QListWidgetItem(matches->model() ? tr("%1 (%2)").arg(name).arg(present[role]) : name, roles);
        item->setData(Qt::UserRole, int(role));
        item->setFlags(Qt::ItemIsEnabled | Qt::ItemIsUserCheckable | Qt::ItemIsSelectable);
        item->setCheckState(chosen ? Qt::Checked : Qt::Unchecked);
        widest = std::max(widest, roles->fontMetrics().horizontalAdvance(item->text()));
    }
    roles->setGridSize({widest + 5 * theme::kSpacing, 3 * theme::kSpacing});
    roles->setFixedHeight(((roles->count() + 2) / 3 + 1) * 3 * theme::kSpacing); // three columns find room, and a line more
}

void RuleDialog::Private::show(const Rule& rule)
{
    byRole->setChecked(!rule.roles.empty());
    byName->setChecked(!rule.match.empty());
    pattern->setText(QString::fromStdString(rule.match));
    fillRoles(rule);
    first->setValue(rule.firstLayer);
    last->setValue(rule.lastLayer);
    shape->setText(rule.shape.any() ? QString() : QString::fromStdString(rule.shape.text()));
    scheme->setText(QString::fromStdString(rule.scheme.text()));
    note->setText(QString::fromStdString(rule.note));
    check();
    count();
}

QString RuleDialog::Private::problem() const
{
    const Rule rule = q->rule();
    if (byName->isChecked()) {
        if (rule.match.empty())
            return tr("Write a pattern, or leave the name out.");
        if (const QRegularExpression expression(QString::fromStdString(rule.match)); !expression.isValid())
            return tr("The pattern is not valid: %1.").arg(expression.errorString());
    }
    if (byRole->isChecked() && rule.roles.empty())
        return tr("Choose at least one role, or leave roles out.");
    if (rule.firstLayer >= 0 && rule.lastLayer >= 0 && rule.firstLayer > rule.lastLayer)
        return tr("The first block lies behind the last one.");
    if (!shape->text().isEmpty()) {
        if (const auto parsed = ShapePattern::parse(shape->text().toStdString()); !parsed.ok())
            return fromStd(parsed.error().message);
    }
    const auto parsed = Scheme::parse(scheme->text().toStdString());
    return parsed.ok() ? QString() : fromStd(parsed.error().message);
}

void RuleDialog::Private::check()
{
    roles->setEnabled(byRole->isChecked());
    pattern->setEnabled(byName->isChecked());
    const QString wrong = problem();
    if (const auto parsed = Scheme::parse(scheme->text().toStdString()); parsed.ok())
        format->setFormat(parsed->format);
    message->setText(wrong);
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(Ink::Bad));
    message->setPalette(palette);
    buttons->button(QDialogButtonBox::Ok)->setEnabled(wrong.isEmpty());
    typing.start();
}

/// What of the tensors that the rule decides cannot take its scheme, and what they get instead.
QString RuleDialog::Private::misfits(const Policy& policy, const RuleUse& use) const
{
    const auto decisions = policy.resolve(*matches->model());
    int count = 0;
    std::string why;
    for (const int tensor : decisions.ok() ? use.matches : std::vector<int>()) {
        const Decision& decision = (*decisions)[size_t(tensor)];
        if (!decision.fallback.empty() && decision.rule + 1 == int(policy.rules.size()) && count++ == 0)
            why = decision.fallback;
    }
    return count == 0 ? QString()
                      : QLatin1Char('\n') + tr("%1 of them cannot take it: %2").arg(count).arg(fromStd(why));
}

void RuleDialog::Private::count()
{
    typing.stop();
    if (!matches->model())
        return;
    if (const QString wrong = problem(); !wrong.isEmpty())
        return matches->setMatches(tr("Nothing is matched while the rule is not valid."), {});
    Policy policy;
    policy.rules = earlier;
    policy.rules.push_back(q->rule());
    const auto uses = ruleUses(policy, *matches->model());
    if (!uses.ok())
        return matches->setMatches(fromStd(uses.error().message), {});
    const RuleUse& use = uses->back();
    const size_t matching = use.matches.size();
    QString caption = tr("%1 of %2 tensors match").arg(matching).arg(matches->model()->tensors().size());
    if (use.decides < int(matching))
        caption += tr("; %1 go to %2, which comes first").arg(matching - size_t(use.decides)).arg(fromStd(takersText(use)));
    matches->setMatches(caption + misfits(policy, use), use.matches);
}

RuleDialog::RuleDialog(const Rule& rule, std::shared_ptr<const Model> model, QWidget* parent)
    : QDialog(parent), d(std::make_unique<Private>())
{
    d->q = this;
    setWindowTitle(tr("Rule"));
    resize(model ? 860 : 560, 560);
    d->typing.setSingleShot(true);
    d->typing.setInterval(kTypingMs);
    connect(&d->typing, &QTimer::timeout, this, [this] { d->count(); });
    d->buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, this);
    d->matches = new MatchList(this);
    d->matches->setModel(model);
    d->matches->setVisible(model != nullptr);
    auto* parts = new QHBoxLayout;
    parts->setSpacing(2 * theme::kSpacing);
    auto* form = new QVBoxLayout;
    form->addLayout(d->buildForm());
    form->addStretch(1);
    parts->addLayout(form, 3);
    parts->addWidget(d->matches, 2);
    auto* column = new QVBoxLayout(this);
    column->addLayout(parts, 1);
    column->addWidget(d->buttons);
    connect(d->buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(d->buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    d->show(rule);
}

void RuleDialog::setEarlier(std::vector<Rule> rules)
{
    d->earlier = std::move(rules);
    d->count();
}

RuleDialog::~RuleDialog() = default;

Rule RuleDialog::rule() const
{
    Rule rule;
    if (d->byName->isChecked())
        rule.match = d->pattern->text().toStdString();
    for (int i = 0; d->byRole->isChecked() && i < d->roles->count(); ++i) {
        if (d->roles->item(i)->checkState() == Qt::Checked)
            rule.roles.push_back(TensorRole(d->roles->item(i)->data(Qt::UserRole).toInt()));
    }
    rule.firstLayer = d->first->value();
    rule.lastLayer = d->last->value();
    if (auto parsed = ShapePattern::parse(d->shape->text().toStdString()); parsed.ok())
        rule.shape = *parsed;
    if (auto parsed = Scheme::parse(d->scheme->text().toStdString()); parsed.ok())
        rule.scheme = parsed.value();
    rule.note = d->note->text().toStdString();
    return rule;
}

} // namespace ql
